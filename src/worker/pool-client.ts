import { checkOptions, isDuration, isSignal, orNull } from '../base/checks.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import { Patience } from '../base/patience.ts'
import { ConnectionFairy, type Fairy } from '../fairies/fairy.ts'
import type { Loan } from '../fairies/loan.ts'
import type { QueryOptions } from '../fairies/query-options.ts'
import { ThreadLocal } from '../fairies/thread-local.ts'
import { type CheckoutTrace, traceOf } from '../observe/trace.ts'
import type { SharedAt } from '../protocol/control.ts'
import { kind } from '../protocol/messages.ts'
import { DirectLease } from './direct-lease.ts'
import type { Way } from './lanes.ts'
import { RemoteControls } from './remote-controls.ts'
import { RemoteLease } from './remote-lease.ts'
import { runRemotely } from './remote-statement.ts'
import { currentScope, type TaskScope } from './task-scope.ts'
import { waitTimeout } from './wait-timeout.ts'
import type { Wire } from './wire.ts'

/** Options of one checkout. */
export interface ConnectOptions {
  /** Instead of the pool's `timeoutMs`. */
  readonly timeoutMs?: number | null
  /** Gives up when it aborts, with its reason. */
  readonly signal?: AbortSignal
}

/** Nothing that would have to be looked at. */
const noOptions: ConnectOptions = {}

type FairyOver<C extends object> = (lease: number, way: Way<C>) => Fairy<C>

const checks = { timeoutMs: orNull(isDuration), signal: isSignal }

/** A pool that another thread owns, with the verbs it has there: the same code runs in both. */
export class PoolClient<C extends object = object> extends RemoteControls {
  /** The name under which the pool is shared. */
  readonly name: string
  readonly #attach: (address: SharedAt) => Promise<PoolClient<C>>
  readonly #local: ThreadLocal<C> | undefined

  constructor(name: string, wire: Wire, attach: (address: SharedAt) => Promise<PoolClient>) {
    super(wire)
    this.name = name
    this.#attach = attach as unknown as (address: SharedAt) => Promise<PoolClient<C>>
    this.#local = wire.welcome.useThreadlocal ? new ThreadLocal<C>() : undefined
  }

  /** False once the coordinator's thread has ended or has stopped sharing; then attach again. */
  get isAttached(): boolean {
    return this.wire.lost === undefined
  }

  /**
   * Checks a connection out. With the pool's `useThreadlocal`, nested calls in this thread share one.
   * @throws {TimeoutError} `timeoutMs` has passed; {CoordinatorLostError} the pool is gone; the creator's own error; the signal's reason.
   */
  connect(options?: ConnectOptions): Promise<Fairy<C>> {
    if (this.#local === undefined) return this.#borrow(options, this.connect)
    return this.#connectNested(this.#local, options ?? {})
  }

  /** Checks a connection out for this caller alone, whatever `useThreadlocal` says (behaviour 18). */
  uniqueConnection(options?: ConnectOptions): Promise<Fairy<C>> {
    return this.#borrow(options, this.uniqueConnection)
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

  /**
   * Runs one statement as a transaction of its own, over a connection that the statements of all threads share.
   * What would change the session is refused; what can't be seen in the text, as `set_config()` and advisory locks, is for `connect()` all the same.
   * @throws {InvalidRequestError} it is for a connection of its own; {TimeoutError}; {NotClonableError} values or result can't travel;
   * {CoordinatorLostError} the pool is gone; the driver's own error; the signal's reason.
   */
  query<Result = unknown>(text: string, values?: readonly unknown[], options?: QueryOptions): Promise<Result> {
    const { statements } = this.wire
    const result = statements?.mayRun(options)
      ? statements.query(text, values, options)
      : runRemotely(this.wire, text, values, options)
    return result as Promise<Result>
  }

  /** Condemns every connection opened before now, unless the reporter's generation is condemned already (behaviours 146-148). */
  async invalidate(fairy?: ConnectionFairy<C>, error?: unknown): Promise<void> {
    await this.wire.control('invalidate', fairy?.generation)
    if (fairy?.isValid) await fairy.invalidate(error)
  }

  /** A new pool of the same class, options and listeners, shared, with this thread attached to it; this one is left as it is (behaviour 250). */
  async recreate(): Promise<PoolClient<C>> {
    const client = await this.#attach(await this.wire.control('recreate'))
    for (const [event, listener, often] of this.wire.listeners) {
      await (often === 'once' ? client.once(event, listener) : client.on(event, listener))
    }
    return client
  }

  async #connectNested(local: ThreadLocal<C>, options: ConnectOptions): Promise<Fairy<C>> {
    const patience = this.#patience(options)
    const trace = this.#trace(this.connect)
    const scope = currentScope()
    try {
      return await local.connect(patience, () =>
        this.#checkout(options, patience, (lease, way) => this.#fairyOver(lease, way, trace, scope, local)),
      )
    } finally {
      patience.end()
    }
  }

  #borrow(options: ConnectOptions | undefined, caller: (...args: never[]) => unknown): Promise<Fairy<C>> {
    try {
      const patience = options && this.#patience(options)
      const trace = this.#trace(caller)
      // Looked up now, in the caller's own context: the grant arrives in the port's.
      const scope = currentScope()
      return this.#checkout(options, patience, (lease, way) => this.#fairyOver(lease, way, trace, scope))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** One promise, whether there is anything to wait for or not: this is the hot path. */
  #checkout(
    options: ConnectOptions = noOptions,
    patience: Patience | undefined,
    fairyOver: FairyOver<C>,
  ): Promise<Fairy<C>> {
    const lease = patience?.gone ? 0 : this.wire.lessee.claim()
    if (lease === 0) return this.#wait(patience ?? this.#patience(noOptions), options, fairyOver)
    const way = this.#ready(lease)
    if (way !== undefined) return Promise.resolve(fairyOver(lease, way))
    return this.#arrive(lease, patience ?? this.#patience(noOptions), options, fairyOver)
  }

  #wait(
    patience: Patience,
    options: ConnectOptions,
    fairyOver: FairyOver<C>,
    comes: 'first' | 'again' = 'first',
  ): Promise<Fairy<C>> {
    if (patience.gone) return Promise.reject(patience.gone.reason)
    if (this.#timeoutOf(options) === 0) {
      return this.#now(patience).then(lease => this.#arrive(lease, patience, options, fairyOver))
    }
    return new Promise((resolve, reject) => {
      const waiter = {
        grant: (lease: number) => {
          const way = this.#ready(lease)
          if (way === undefined) return resolve(this.#arrive(lease, patience, options, fairyOver))
          patience.end()
          resolve(fairyOver(lease, way))
        },
        fail: (error: unknown) => {
          patience.end()
          reject(error)
        },
      }
      this.wire.lessee.wait(waiter, patience, comes === 'first' ? 'unless too many do' : 'anyway')
    })
  }

  #ready(lease: number): Way<C> | undefined {
    const { lanes } = this.wire
    return lanes === undefined ? 'remote' : (lanes.ready(lease) as Way<C> | undefined)
  }

  /** The way to the connection has to be made first, or the connection to be looked at more closely; one that is gone is not lent. */
  async #arrive(
    lease: number,
    patience: Patience,
    options: ConnectOptions,
    fairyOver: FairyOver<C>,
  ): Promise<Fairy<C>> {
    const { lanes, lessee } = this.wire
    const preparing = lanes === undefined ? Promise.resolve('remote' as const) : lanes.prepare(lease)
    preparing.catch(() => lessee.discard(lease))
    try {
      const way = await patience.within(preparing, () => {
        // Only when that is over: a ping may be under way.
        preparing.then(
          way => this.#refuse(lease, way),
          () => {},
        )
      })
      if (way === 'gone') return await this.#waitAgain(lease, patience, options, fairyOver)
      patience.end()
      return fairyOver(lease, way as Way<C>)
    } catch (error) {
      patience.end()
      throw error
    }
  }

  #waitAgain(lease: number, patience: Patience, options: ConnectOptions, fairyOver: FairyOver<C>): Promise<Fairy<C>> {
    this.wire.lessee.discard(lease)
    return this.#wait(patience, options, fairyOver, 'again')
  }

  /** Nobody wants this lease any more. */
  #refuse(lease: number, way: Way | 'gone'): void {
    if (way === 'gone') return this.wire.lessee.discard(lease)
    void this.#loanOver(lease, way as Way<C>, undefined).end('closed')
  }

  /** A lease now or never: the coordinator may still open a connection, and that takes the time it takes (behaviour 45). */
  async #now(patience: Patience): Promise<number> {
    const { caller } = this.wire
    let wish = 0
    const granted = caller.ask(id => {
      wish = id
      return [kind.connect, id]
    })
    if (!caller.lost) patience.watch(reason => caller.forget(wish, reason))
    try {
      return (await granted) as number
    } catch (error) {
      patience.end()
      throw error
    }
  }

  #fairyOver(
    lease: number,
    way: Way<C>,
    trace: CheckoutTrace | undefined,
    scope: TaskScope | undefined,
    home?: ThreadLocal<C>,
  ): Fairy<C> {
    const loan = this.#loanOver(lease, way, trace)
    scope?.add(loan)
    return ConnectionFairy.over<C>(loan, home)
  }

  #loanOver(lease: number, way: Way<C>, trace: CheckoutTrace | undefined): Loan<C> {
    return way === 'remote'
      ? new RemoteLease<C>(this.wire, lease, trace)
      : new DirectLease<C>(this.wire, lease, trace, way)
  }

  #patience(options: ConnectOptions): Patience {
    if (options !== noOptions) checkOptions('connect options', options, checks)
    const timeoutMs = this.#timeoutOf(options)
    // A timeout of 0 is about waiting for a place only.
    return new Patience({ timeoutMs: timeoutMs === 0 ? null : timeoutMs, signal: options.signal }, () =>
      waitTimeout(this.wire, timeoutMs ?? 0, 'connect'),
    )
  }

  #timeoutOf({ timeoutMs }: ConnectOptions): number | null {
    return timeoutMs === undefined ? this.wire.welcome.timeoutMs : timeoutMs
  }

  #trace(caller: (...args: never[]) => unknown): CheckoutTrace | undefined {
    return traceOf(caller, this.wire.welcome, this.wire.table.waiters)
  }
}
