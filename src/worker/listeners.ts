import { ArgumentError, asError, InvalidRequestError } from '../base/errors.ts'
import { ignore } from '../base/maybe-async.ts'
import { type EventName, eventNames } from '../observe/event-names.ts'
import { warn } from '../observe/warnings.ts'
import type { PoolNotice } from '../protocol/messages.ts'
import { fromWireError } from '../protocol/wire-error.ts'

/** An event of the pool, as a worker hears of it: afterwards, and without a say in it. */
export interface PoolEvent {
  readonly event: string
  /** The number of the connection, as in the pool's log; undefined when there is none. */
  readonly connection: number | undefined
  /** The number of the record; undefined for a detached connection. */
  readonly record: number | undefined
  /** Why: of an invalidation. */
  readonly error?: unknown
}

export type PoolEventListener = (event: PoolEvent) => unknown

type Often = 'always' | 'once'

/** Who listens to one event here, and when the coordinator has begun to tell of it. */
interface Heard {
  readonly listeners: Map<PoolEventListener, Often>
  readonly told: Promise<void>
}

/** The listeners of one thread. The coordinator is asked to tell of an event as long as somebody listens to it. */
export class Listeners {
  readonly #heard = new Map<string, Heard>()
  readonly #ask: (verb: 'listen' | 'unlisten', event: string) => Promise<void>

  constructor(ask: (verb: 'listen' | 'unlisten', event: string) => Promise<void>) {
    this.#ask = ask
  }

  /** The same function for the same event counts once (behaviour 262). Settles when every event from then on is heard of. */
  async on(event: string, listener: PoolEventListener, often: Often = 'always'): Promise<void> {
    if (!eventNames.includes(event as EventName)) {
      throw new InvalidRequestError(`A pool has no event '${String(event)}'. It has ${eventNames.join(', ')}.`)
    }
    if (typeof listener !== 'function') throw new ArgumentError(`The listener for '${event}' must be a function.`)
    const { listeners, told } = this.#heard.get(event) ?? this.#begin(event)
    if (!listeners.has(listener)) listeners.set(listener, often)
    await told
  }

  async off(event: string, listener: PoolEventListener): Promise<void> {
    const heard = this.#heard.get(event)
    if (!heard?.listeners.delete(listener) || heard.listeners.size > 0) return
    this.#heard.delete(event)
    await this.#ask('unlisten', event)
  }

  /** A listener that fails harms nobody: it is warned of. */
  tell({ event, connection, record, error }: PoolNotice): void {
    const told: PoolEvent = { event, connection, record, ...(error ? { error: fromWireError(error) } : {}) }
    for (const [listener, often] of [...(this.#heard.get(event)?.listeners ?? [])]) {
      // Not to be told any more if the coordinator is lost meanwhile is no failure.
      if (often === 'once') this.off(event, listener).catch(ignore)
      call(listener, told).catch(failed)
    }
  }

  /** Who listens to what, now: for a recreated pool. */
  *[Symbol.iterator](): IterableIterator<readonly [event: EventName, listener: PoolEventListener, often: Often]> {
    for (const [event, { listeners }] of [...this.#heard]) {
      for (const [listener, often] of [...listeners]) yield [event as EventName, listener, often]
    }
  }

  #begin(event: string): Heard {
    const heard = { listeners: new Map<PoolEventListener, Often>(), told: this.#ask('listen', event) }
    this.#heard.set(event, heard)
    heard.told.catch(() => {
      if (this.#heard.get(event) === heard) this.#heard.delete(event)
    })
    return heard
  }
}

/** Async, so that one that throws and one that rejects look alike. */
const call = async (listener: PoolEventListener, told: PoolEvent): Promise<unknown> => listener(told)

const failed = (failure: unknown): void =>
  warn('FAIRYPOOL_LISTENER', `A listener of a pool's events has failed: ${asError(failure).message}`)
