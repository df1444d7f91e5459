import { deadlines, within } from '../base/deadlines.ts'
import { InvalidRequestError } from '../base/errors.ts'
import { isThenable } from '../base/maybe-async.ts'
import type { BatchReader, Outcome } from '../dialects/dialect.ts'

/** Results that are no promises but may go on working, such as streams: they keep their fairy alive as long as they live. */
const results = new WeakMap<object, object>()

/** What a call returns that tells its outcome by itself. */
export const started: unique symbol = Symbol('started')

/** What a checkout is told of its calls. */
export interface CallsOwner {
  failed(error: unknown): void
  /** Nothing is under way any more. Said before whoever awaits the last call is told. */
  quiet(): void
}

/**
 * What is under way on one checkout: its calls and its open cursors. While a call is in flight its fairy is held, and can't
 * be collected.
 */
export class Calls {
  readonly #owner: CallsOwner
  readonly #readers = new Set<BatchReader>()
  #count = 0
  // biome-ignore lint/correctness/noUnusedPrivateClassMembers: it is there to be held, not to be read
  #pinned: object | undefined
  #quiet: (() => void) | undefined
  /** Cursors have been closed that had more to give. */
  #cut = false
  #doom: ((error: Error) => void) | undefined

  constructor(owner: CallsOwner) {
    this.#owner = owner
  }

  /** How many calls are in flight. */
  get inFlight(): number {
    return this.#count
  }

  /** True when no call is in flight and no cursor is open. */
  get isQuiet(): boolean {
    return this.#count === 0 && this.#readers.size === 0
  }

  /** Calls a method of the driver, and watches the call until it settles. Returns just what the driver returns. */
  run(
    target: object,
    method: (...args: unknown[]) => unknown,
    args: readonly unknown[],
    fairy: object | undefined,
  ): unknown {
    let result: unknown
    try {
      result = Reflect.apply(method, target, args)
    } catch (error) {
      this.#owner.failed(error)
      throw error
    }
    if (isThenable(result)) this.#watch(result, fairy)
    else if (typeof result === 'object' && result !== null && fairy && result !== target) results.set(result, fairy)
    return result
  }

  /** Makes a call for another thread, and tells `outcome` how it ended, once, after it has been counted as settled. */
  start(call: (outcome: Outcome) => unknown, outcome: Outcome): void {
    let isOver = false
    const over = (): boolean => {
      if (isOver) return true
      isOver = true
      this.#settled()
      return false
    }
    const watched: Outcome = {
      resolve: value => {
        if (!over()) outcome.resolve(value)
      },
      reject: error => {
        if (over()) return
        this.#owner.failed(error)
        outcome.reject(error)
      },
    }
    this.#count++
    try {
      const result = call(watched)
      if (result === started) return
      if (isThenable(result)) result.then(watched.resolve, watched.reject)
      else watched.resolve(result)
    } catch (error) {
      watched.reject(error)
    }
  }

  /** Takes charge of an open cursor: it is closed before its connection goes anywhere else. */
  add(reader: BatchReader): BatchReader {
    this.#readers.add(reader)
    return {
      read: async () => {
        if (!this.#readers.has(reader)) return this.#ended()
        const reading = reader.read()
        this.#watch(reading, undefined)
        try {
          const rows = await reading
          if (rows.length === 0) this.#drop(reader)
          return rows
        } catch (error) {
          // It is over as well, and its driver may wait for ever if it is told to close.
          this.#drop(reader)
          throw error
        }
      },
      close: async () => {
        if (!this.#readers.has(reader)) return
        this.#count++
        this.#readers.delete(reader)
        await reader.close().finally(() => this.#settled())
      },
    }
  }

  /** Settles when nothing is under way: calls finish, cursors are closed. Fails with `late()` after `ms` milliseconds, or when doomed. */
  async quieten(ms: number, late: () => Error): Promise<void> {
    if (this.isQuiet) return
    const doomed = new Promise<never>((_, reject) => {
      this.#doom = reject
    })
    const readers = [...this.#readers]
    this.#readers.clear()
    this.#cut = readers.length > 0
    const work = async (): Promise<void> => {
      for (const reader of readers) await reader.close()
      if (this.#count > 0) {
        await new Promise<void>(resolve => {
          this.#quiet = resolve
        })
      }
    }
    await within(Promise.race([work(), doomed]), ms, late)
  }

  /** Nobody waits for these calls any more: whoever waits for quiet is to give up. */
  doom(error: Error): void {
    this.#doom?.(error)
  }

  /**
   * Has the calls in flight stopped at the server; settles when all have. A cancel that overtakes its call is void, so it is
   * repeated. Fails with `late()` after `ms` milliseconds.
   */
  async cancel(cancel: () => Promise<void>, ms: number, late: () => Error): Promise<void> {
    let isLate = false
    const work = async (): Promise<void> => {
      for (let pause = 10; this.#count > 0 && !isLate; pause *= 2) {
        await cancel()
        await this.#settledWithin(pause)
      }
    }
    await within(work(), ms, late).finally(() => {
      isLate = true
    })
  }

  /** A cursor that was closed by its reader is at its end; one that was cut off must not look like it. */
  #ended(): readonly unknown[] {
    if (!this.#cut) return []
    throw new InvalidRequestError('This connection is closed: its cursor has been closed with it.')
  }

  #settledWithin(ms: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise(resolve => {
      const deadline = deadlines.arm(ms, resolve)
      this.#quiet = () => {
        deadline.cancel()
        resolve()
      }
    })
  }

  #watch(work: PromiseLike<unknown>, fairy: object | undefined): void {
    this.#count++
    this.#pinned = fairy
    work.then(
      () => this.#settled(),
      (error: unknown) => {
        this.#settled()
        this.#owner.failed(error)
      },
    )
  }

  #settled(): void {
    if (--this.#count > 0) return
    this.#pinned = undefined
    this.#quiet?.()
    if (this.isQuiet) this.#owner.quiet()
  }

  #drop(reader: BatchReader): void {
    if (this.#readers.delete(reader) && this.isQuiet) this.#owner.quiet()
  }
}
