import { checkOptions, isDuration, isSignal, orNull } from '../base/checks.ts'
import { TimeoutError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import { Patience } from '../base/patience.ts'
import { ConnectionFairy, type Fairy } from '../fairies/fairy.ts'
import { ThreadLocal } from '../fairies/thread-local.ts'
import { PoolStatus } from '../observe/status.ts'
import { CheckoutTrace } from '../observe/trace.ts'
import { kind } from '../protocol/messages.ts'
import { RemoteLease } from './remote-lease.ts'
import { currentScope } from './task-scope.ts'
import type { Wire } from './wire.ts'

/** Options of one checkout. */
export interface ConnectOptions {
  /** Instead of the pool's `timeoutMs`. */
  readonly timeoutMs?: number | null
  /** Gives up when it aborts, with its reason. */
  readonly signal?: AbortSignal
}

/** The coordinator says when a deadline has passed, for it knows who holds what. Where it is too busy to say so, the worker does, this much later. */
const graceMs = 100

/** A pool that another thread owns, with the verbs it has there: the same code runs in both. */
export class PoolClient<C extends object = object> {
  /** The name under which the pool is shared. */
  readonly name: string
  readonly #wire: Wire
  readonly #local: ThreadLocal<C> | undefined

  constructor(name: string, wire: Wire) {
    this.name = name
    this.#wire = wire
    this.#local = wire.welcome.useThreadlocal ? new ThreadLocal<C>() : undefined
  }

  /** False once the coordinator's thread has ended or has stopped sharing; then attach again. */
  get isAttached(): boolean {
    return this.#wire.lost === undefined
  }

  /**
   * Checks a connection out. With the pool's `useThreadlocal`, nested calls in this thread share one.
   * @throws {TimeoutError} `timeoutMs` has passed; {CoordinatorLostError} the pool is gone; the creator's own error; the signal's reason.
   */
  async connect(options: ConnectOptions = {}): Promise<Fairy<C>> {
    const patience = this.#patience(options)
    const trace = this.#trace(this.connect)
    try {
      if (this.#local === undefined) return await this.#borrow(patience, options, trace, undefined)
      return await this.#local.connect(patience, () => this.#borrow(patience, options, trace, this.#local))
    } finally {
      patience.end()
    }
  }

  /** Checks a connection out for this caller alone, whatever `useThreadlocal` says (behaviour 18). */
  async uniqueConnection(options: ConnectOptions = {}): Promise<Fairy<C>> {
    const patience = this.#patience(options)
    try {
      return await this.#borrow(patience, options, this.#trace(this.uniqueConnection), undefined)
    } finally {
      patience.end()
    }
  }

  /** Checks a connection out for as long as `work` takes; it goes back whatever happens. */
  async use<T>(work: (connection: Fairy<C>) => MaybePromise<T>, options?: ConnectOptions): Promise<T> {
    const fairy = await this.connect(options)
    try {
      return await work(fairy)
    } finally {
      await fairy.close()
    }
  }

  /** Condemns every connection opened before now, unless the reporter's generation is condemned already (behaviours 146-148). */
  async invalidate(fairy?: ConnectionFairy<C>, error?: unknown): Promise<void> {
    await this.#wire.control('invalidate', fairy?.generation)
    if (fairy?.isValid) await fairy.invalidate(error)
  }

  /** The pool's counts now; as a string, one line. */
  async status(): Promise<PoolStatus> {
    return new PoolStatus(await this.#wire.control('status'))
  }

  /** Closes what is idle, and what is out when it comes home. The pool stays usable (behaviours 245-247). */
  dispose(): Promise<void> {
    return this.#wire.control('dispose')
  }

  async #borrow(
    patience: Patience,
    options: ConnectOptions,
    trace: CheckoutTrace | undefined,
    home: ThreadLocal<C> | undefined,
  ): Promise<Fairy<C>> {
    if (patience.gone) throw patience.gone.reason
    const { caller } = this.#wire
    // Looked up now, in the caller's own context: the grant arrives in the port's.
    const scope = currentScope()
    let wish = 0
    const granted = caller.ask(id => {
      wish = id
      return [kind.connect, id, options.timeoutMs]
    })
    if (!caller.lost) patience.watch(reason => caller.forget(wish, reason))
    const lease = (await granted.catch((error: unknown) => {
      // The coordinator's word that this caller's time is up: whoever has joined the checkout has time of its own.
      if (error instanceof TimeoutError) patience.leave(error)
      throw error
    })) as number
    patience.unwatch()
    const loan = new RemoteLease<C>(this.#wire, lease, trace)
    scope?.add(loan)
    return ConnectionFairy.over<C>(loan, home)
  }

  #patience(options: ConnectOptions): Patience {
    checkOptions('connect options', options, { timeoutMs: orNull(isDuration), signal: isSignal })
    const timeoutMs = options.timeoutMs === undefined ? this.#wire.welcome.timeoutMs : options.timeoutMs
    const backstopMs = timeoutMs === null || timeoutMs === 0 ? null : timeoutMs + graceMs
    return new Patience({ timeoutMs: backstopMs, signal: options.signal }, () => this.#timeoutError(timeoutMs ?? 0))
  }

  #timeoutError(timeoutMs: number): TimeoutError {
    const { idle, leased, opening } = this.#wire.table.counts()
    const waiting = this.#wire.table.waiters
    const message =
      `connect() timed out after ${timeoutMs} ms, and the pool's own thread did not answer: it may be busy.` +
      ` ${leased + opening} connections are out, ${waiting} callers wait.`
    return new TimeoutError(message, {
      phase: 'wait',
      timeoutMs,
      idle,
      leased,
      waiting,
      total: idle + leased + opening,
    })
  }

  #trace(caller: (...args: never[]) => unknown): CheckoutTrace | undefined {
    return this.#wire.welcome.traceCheckouts ? new CheckoutTrace(caller) : undefined
  }
}
