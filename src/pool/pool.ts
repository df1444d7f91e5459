import { threadId } from 'node:worker_threads'
import { InvalidRequestError, TimeoutError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import type { Dialect } from '../dialects/dialect.ts'
import { ConnectionFairy, type Fairy } from '../fairies/fairy.ts'
import { ThreadLocal } from '../fairies/thread-local.ts'
import { isWatched } from '../observe/lease-notice.ts'
import type { PoolStatus } from '../observe/status.ts'
import { CheckoutTrace } from '../observe/trace.ts'
import { tableFlag } from '../slots/layout.ts'
import { SlotTable } from '../slots/slot-table.ts'
import { Checkout } from './checkout.ts'
import { type EventName, type ListenOptions, PoolEvents, type PoolListeners } from './events.ts'
import { lend } from './lending.ts'
import { FirstConnect } from './opening.ts'
import {
  type ConnectOptions,
  type Creator,
  checkConnectOptions,
  type PoolOptions,
  type PoolSettings,
  settingsOf,
} from './options.ts'
import type { ConnectionRecord } from './record.ts'
import { type Borrower, CheckoutRequest } from './request.ts'
import { stubDialect } from './stub-dialect.ts'

/** Where a shared pool can be found: clonable, so it can be handed to a worker in `workerData` or a message. */
export interface ShareAddress {
  readonly name: string
  /** The coordinator's thread. */
  readonly threadId: number
  /** The slot table. */
  readonly buffer: SharedArrayBuffer
}

/** Options of `share()`. */
export interface ShareOptions {
  /** Needed when several pools are shared. Default 'default'. */
  readonly name?: string
}

/** How a pool is offered to other threads. The floor above brings it; a pool itself knows no threads. */
export interface Sharing {
  share(pool: Pool<object>, options: ShareOptions | undefined): ShareAddress
  unshare(pool: Pool<object>): void
}

let sharing: Sharing | undefined

/** Called once by the floor that knows threads. */
export function bringSharing(brought: Sharing): void {
  sharing = brought
}

/** The policy of a pool, on the thread that owns it: who gets which connection, and when one is too old. Subclasses decide which record is next. */
export abstract class Pool<C extends object> implements AsyncDisposable {
  /** Replaced on a live pool, it is used from the next open on (behaviour 4). */
  creator: Creator<C> | undefined
  /** Looked up at each use; replaced on a live pool, it is used from the next ping, reset or close on (behaviour 11). */
  dialect: Dialect<C>
  /** @internal */ readonly settings: PoolSettings
  /** @internal */ readonly slots: SlotTable
  /** @internal */ readonly events: PoolEvents<C>
  /** @internal */ readonly firstConnect: FirstConnect<C> = new FirstConnect<C>(this)
  /** @internal Connections that have left the pool and are not closed yet; held, so that the loss of their fairy closes them. */
  readonly detached: Set<Checkout<C>> = new Set()
  /** @internal The latest failure to open: the cause of a timeout. */
  lastConnectError: Error | undefined
  protected readonly options: PoolOptions<C>
  readonly #local: ThreadLocal<C> | undefined
  readonly #self: Borrower = { session: 0, threadId }
  #isWatched = false

  constructor(options: PoolOptions<C>, slots: (settings: PoolSettings) => number | 'growing') {
    this.settings = settingsOf(options)
    this.options = options
    this.creator = options.creator
    this.dialect = options.dialect ?? (stubDialect as Dialect<C>)
    this.slots = SlotTable.create(slots(this.settings))
    this.events = new PoolEvents<C>(() => this.openLanes())
    this.slots.sessions.open(0, threadId)
    this.openLanes()
    for (const [listener, event] of options.events ?? [])
      this.events.on(event, listener as PoolListeners<C>[typeof event])
    this.#local = this.settings.useThreadlocal ? new ThreadLocal<C>() : undefined
  }

  /** May attached threads lend idle connections to themselves? Then idle slots must be anybody's, in the order of their return. */
  protected get lendsByItself(): boolean {
    return false
  }

  /** Claims a record for this request; its slot is `leased`, or `opening` when it has no connection. May wait for one. */
  protected abstract doGet(request: CheckoutRequest<C>): MaybePromise<ConnectionRecord<C>>

  /** Takes a record back; its slot is `returning`, or `closing` when its connection is gone. Must not throw. */
  protected abstract doReturnConnection(record: ConnectionRecord<C>): MaybePromise<void>

  /** @internal Drops a record whose slot is `closing`, and frees its place. */
  abstract discard(record: ConnectionRecord<C>): void

  /** @internal The one function that looks at waiters, idle records and capacity. Whatever has happened, call it at the end. */
  abstract serveWaiters(): void

  /** @internal */
  abstract records(): readonly ConnectionRecord<C>[]

  /** @internal */
  abstract recordOf(slot: number): ConnectionRecord<C> | undefined

  /** @internal A thread has returned a connection without the coordinator, and there is work with it. */
  abstract tidy(): void

  /** The pool's counts now; as a string, one line. */
  abstract status(): PoolStatus

  /** Closes what is idle. What is out is closed when it comes home. The pool stays usable, and opens anew (behaviours 245-247). */
  abstract dispose(): Promise<void>

  /** A new pool of the same class, options and listeners; this one is left as it is (behaviour 250). */
  recreate(): this {
    const Class = this.constructor as new (options: PoolOptions<C>) => this
    const { creator, dialect, options } = this
    const { events: _, ...rest } = options
    const pool = new Class({ ...rest, ...(creator ? { creator } : {}), dialect })
    this.events.copyTo(pool.events)
    return pool
  }

  /**
   * Checks a connection out. With `useThreadlocal`, nested calls in this thread share one.
   * @throws {TimeoutError} `timeoutMs` has passed; {ArgumentError} bad options; the creator's own error; the signal's reason.
   */
  async connect(options: ConnectOptions = {}): Promise<Fairy<C>> {
    const request = this.#request(options, this.connect, this.#local)
    const borrow = async (): Promise<Fairy<C>> => request.fairyFor(await this.checkout(request))
    try {
      return await (this.#local ? this.#local.connect(request.patience, borrow) : borrow())
    } finally {
      request.patience.end()
    }
  }

  /** Checks a connection out for this caller alone, whatever `useThreadlocal` says (behaviour 18). */
  async uniqueConnection(options: ConnectOptions = {}): Promise<Fairy<C>> {
    const request = this.#request(options, this.uniqueConnection, undefined)
    try {
      return request.fairyFor(await this.checkout(request))
    } finally {
      request.patience.end()
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

  /**
   * Condemns every connection opened before now; each is replaced at its next checkout. A late report about a generation that is
   * condemned already changes nothing (behaviours 146-148). The reporter's own connection is closed at once.
   */
  async invalidate(fairy?: ConnectionFairy<C>, error?: unknown): Promise<void> {
    this.condemn(fairy?.generation)
    if (fairy?.isValid) await fairy.invalidate(error)
  }

  /** Registers a listener, from now on, for existing connections too. */
  on<N extends EventName>(event: N, listener: PoolListeners<C>[N], options?: ListenOptions): this {
    this.events.on(event, listener, options)
    return this
  }

  once<N extends EventName>(event: N, listener: PoolListeners<C>[N], options?: ListenOptions): this {
    this.events.once(event, listener, options)
    return this
  }

  off<N extends EventName>(event: N, listener: PoolListeners<C>[N]): this {
    this.events.off(event, listener)
    return this
  }

  /** Lets other threads attach: those spawned from now on find it by name, others by the address returned. Idempotent. */
  share(options?: ShareOptions): ShareAddress {
    if (sharing === undefined)
      throw new InvalidRequestError("Import pools from 'fairypool' to share them with threads.")
    return sharing.share(this as unknown as Pool<object>, options)
  }

  /** Ends the sharing: attached threads lose the pool, their leases end as if they had died, and the name is free again. */
  unshare(): void {
    sharing?.unshare(this as unknown as Pool<object>)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unshare()
    await this.dispose()
  }

  /** @internal A checkout for a request of this thread or of another. Synchronous when nothing has to be waited for. */
  checkout(request: CheckoutRequest<C>): MaybePromise<Checkout<C>> {
    if (request.patience.gone) throw request.patience.gone.reason
    const record = this.doGet(request)
    return record instanceof Promise
      ? record.then(claimed => lend(this, claimed, request))
      : lend(this, record, request)
  }

  /** @internal Moves the invalidation clock, unless this generation is condemned already. */
  condemn(generation: number | undefined): void {
    if (generation === undefined || !this.slots.isCondemned(generation)) this.slots.invalidateAll()
  }

  /** @internal Says in the table what threads may do by themselves, as things are now. */
  openLanes(): void {
    const { events, slots, settings } = this
    this.#isWatched = isWatched()
    const isExamined = settings.prePing || events.has('checkout')
    slots.set(tableFlag.fastCheckout, this.lendsByItself && !isExamined)
    slots.set(tableFlag.fastCheckin, !events.has('checkin') && !events.has('reset'))
    slots.set(tableFlag.watched, this.#isWatched)
  }

  /** @internal An observer must hear of every lease. Nobody tells us when one subscribes, so this is looked at with every message. */
  heedObservers(): void {
    if (isWatched() !== this.#isWatched) this.openLanes()
  }

  /** @internal Must a connection be reset on its return? Not where the protocol says that no transaction is open: there is nothing to end. */
  needsReset(connection: C | undefined): boolean {
    if (connection === undefined || this.settings.resetOnReturn === 'none') return false
    return this.dialect.inTransaction?.(connection) !== false
  }

  /** @internal The loan that a thread has made by itself. */
  adopt(record: ConnectionRecord<C>, session: number): Checkout<C> {
    return new Checkout<C>(this, record, { session, threadId: this.slots.sessions.threadId(session) })
  }

  /** @internal */
  returnConnection(record: ConnectionRecord<C>): MaybePromise<void> {
    return this.doReturnConnection(record)
  }

  /** @internal What a caller is told whose deadline has passed. `left`: how many callers it concerns do not count as waiting any more. */
  timeoutError({ phase, timeoutMs: given }: Pick<CheckoutRequest<C>, 'phase' | 'timeoutMs'>, left = 0): TimeoutError {
    const timeoutMs = given ?? 0
    const { checkedin, checkedout, ...status } = this.status()
    const waiting = status.waiting + left
    const total = checkedin + checkedout
    const doing = phase === 'wait' ? 'waiting for a connection' : `in the phase '${phase}'`
    const cause = this.lastConnectError
    const message =
      `connect() timed out after ${timeoutMs} ms ${doing}: ${checkedout} of ${total} connections are out, ${waiting} callers wait.` +
      (cause ? ` The last failure to connect was: ${cause.message}` : '')
    const facts = { phase, timeoutMs, total, idle: checkedin, leased: checkedout, waiting, holders: this.holders() }
    return new TimeoutError(message, facts, cause ? { cause } : undefined)
  }

  /** @internal Leases by thread id. */
  holders(): Record<number, number> {
    const holders: Record<number, number> = {}
    for (const session of this.slots.holders()) {
      const id = this.slots.sessions.threadId(session)
      holders[id] = (holders[id] ?? 0) + 1
    }
    return holders
  }

  #request(
    options: ConnectOptions,
    caller: (...args: never[]) => unknown,
    home: ThreadLocal<C> | undefined,
  ): CheckoutRequest<C> {
    checkConnectOptions(options)
    return new CheckoutRequest<C>(
      this.#self,
      {
        timeoutMs: options.timeoutMs === undefined ? this.settings.timeoutMs : options.timeoutMs,
        signal: options.signal,
        trace: this.settings.traceCheckouts ? new CheckoutTrace(caller) : undefined,
        fairyOver: checkout => ConnectionFairy.over<C>(checkout, home),
      },
      request => this.timeoutError(request),
    )
  }
}
