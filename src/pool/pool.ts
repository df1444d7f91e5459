import { threadId } from 'node:worker_threads'
import { InvalidRequestError, type TimeoutError } from '../base/errors.ts'
import type { Holder } from '../base/holder.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import type { Dialect } from '../dialects/dialect.ts'
import type { Borrower } from '../fairies/borrower.ts'
import { ConnectionFairy, type Fairy } from '../fairies/fairy.ts'
import type { QueryOptions } from '../fairies/query-options.ts'
import { ThreadLocal } from '../fairies/thread-local.ts'
import { Attached } from '../observe/attached.ts'
import { PoolLog } from '../observe/pool-log.ts'
import type { PoolStatus } from '../observe/status.ts'
import { traceOf } from '../observe/trace.ts'
import { slotFlag } from '../slots/layout.ts'
import { SlotTable } from '../slots/slot-table.ts'
import { Checkout } from './checkout.ts'
import { Custody } from './custody.ts'
import type { DisposeOptions } from './draining.ts'
import { PoolEvents, type PoolListeners } from './events.ts'
import { restOrLose } from './handing-over.ts'
import { Lanes } from './lanes.ts'
import { addLegacyListener } from './legacy-listeners.ts'
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
import { Prober } from './prober.ts'
import { refuseQueueOptions } from './queue-options.ts'
import type { ConnectionRecord } from './record.ts'
import { Records } from './records.ts'
import { CheckoutRequest } from './request.ts'
import type { Starvation } from './starvation.ts'
import { Statements } from './statements.ts'
import { stubDialect } from './stub-dialect.ts'
import { Suspendable } from './suspendable.ts'
import { type TimedOut, timeoutError } from './timeout-report.ts'

/** The policy of a pool, on the thread that owns it: who gets which connection, and when one is too old. Subclasses decide which record is next. */
export abstract class Pool<C extends object> extends Suspendable<C> implements AsyncDisposable {
  /** Replaced on a live pool, it is used from the next open on (behaviour 4). */
  creator: Creator<C> | undefined
  /** Looked up at each use; replaced on a live pool, it is used from the next ping, reset or close on (behaviour 11). */
  dialect: Dialect<C>
  /** @internal */ readonly settings: PoolSettings
  /** @internal */ override readonly slots: SlotTable
  /** @internal */ override readonly events: PoolEvents<C>
  /** @internal */ readonly log: PoolLog
  /** @internal */ readonly records: Records<C> = new Records<C>(this)
  /** @internal */ readonly lanes: Lanes<C> = new Lanes<C>(this)
  /** @internal */ readonly firstConnect: FirstConnect<C> = new FirstConnect<C>(this)
  /** @internal */ readonly statements: Statements<C> = new Statements<C>(this)
  /** @internal Connections that have left the pool and are not closed yet; held, so that the loss of their fairy closes them. */
  readonly detached: Set<Checkout<C>> = new Set()
  /** @internal True once threads may run the driver themselves. See `beginHandovers`. */ handsOver = false
  /** @internal How each attached thread reaches its connections. */ readonly transports: Attached = new Attached()
  /** @internal By session: settles when its thread has gone, and reads no more. */ readonly departures: Map<
    number,
    Promise<unknown>
  > = new Map()
  /** @internal */ readonly custody: Custody = new Custody(this as unknown as Pool<object>)
  /** @internal With `collectOnStarvation`, where callers wait for places. */ starvation: Starvation | undefined
  /** @internal The latest failure to open: the cause of a timeout. */ lastConnectError: Error | undefined
  /** @internal */ readonly prober: Prober = new Prober(this as unknown as Pool<object>)
  protected readonly options: PoolOptions<C>
  readonly #local: ThreadLocal<C> | undefined
  readonly #self: Borrower = { session: 0, threadId }

  constructor(options: PoolOptions<C>, slots: (settings: PoolSettings) => number | 'growing') {
    super()
    if (new.target === Pool) throw new InvalidRequestError('Pool is abstract: extend it, or use one of its subclasses.')
    this.settings = settingsOf(options)
    if (!this.lendsByItself) refuseQueueOptions(options, new.target.name)
    this.options = options
    this.creator = options.creator
    this.dialect = options.dialect ?? (stubDialect as Dialect<C>)
    this.slots = SlotTable.create(slots(this.settings), this.lendsByItself)
    const { echo, logger, loggingName } = this.settings
    const name = `fairypool.${new.target.name}${loggingName === undefined ? '' : `.${loggingName}`}`
    this.log = new PoolLog(logger, echo, name)
    this.events = new PoolEvents<C>(() => this.lanes.set())
    this.slots.sessions.open(0, threadId)
    this.lanes.set()
    for (const [on, event] of options.events ?? []) this.events.on(event, on as PoolListeners<C>[typeof event])
    for (const listener of options.listeners ?? []) addLegacyListener(this.events, listener)
    this.#local = this.settings.useThreadlocal ? new ThreadLocal<C>() : undefined
  }

  /**
   * A record for this request, its slot `leased`, or `opening` when it has no connection. May wait for one. Subclasses have
   * `this.records` to make one, and `record.attempt()` to claim one that is home.
   */
  protected abstract doGet(request: CheckoutRequest<C>): MaybePromise<ConnectionRecord<C>>

  /** Takes a record back; its slot is `returning`, or `closing` when its connection is gone. `keep` it, or `retire` it. Must not throw. */
  protected abstract doReturnConnection(record: ConnectionRecord<C>): MaybePromise<void>

  /** The pool's counts now; as a string, one line. */
  abstract status(): PoolStatus

  /** Who holds what: one for each connection that is out, the longest held first. A thread that is blocked delays it by 50 ms. */
  holders(): Promise<Holder[]> {
    return this.custody.ask()
  }

  /**
   * Closes what the pool keeps, and what is out as it comes home; the options say whether to wait for that. The pool stays usable,
   * and opens anew (behaviours 245-247, 254).
   * @throws {TimeoutError} it has waited in vain: its `holders` say for whom.
   */
  abstract dispose(options?: DisposeOptions): Promise<void>

  /** @internal May attached threads lend idle connections to themselves? Then idle slots are anybody's, in the order of their return. */
  override get lendsByItself(): boolean {
    return false
  }

  /** @internal Is a record lent to one borrower at a time? Then its connection can be handed to a thread. */
  get lendsApart(): boolean {
    return true
  }

  /** @internal The one function that looks at waiters, idle records and capacity. Whatever has happened, call it at the end. */
  override serveWaiters(): void {}

  /** @internal A record is home, and not by `returnConnection()`: it may have to retire, or somebody may wait for it. */
  tidy(): void {}

  /** @internal The thread of this session has gone. */
  sessionOver(_session: number): void {}

  /** @internal The slot of a new loan: the record's own, unless several can hold one record. */
  seat(record: ConnectionRecord<C>, _checkout: Checkout<C>): number {
    return record.slot
  }

  /** @internal The loan of this seat has ended. */
  leaveSeat(_slot: number): void {}

  /** @internal Where several can hold one record: those who do. */
  sharersOf(_record: ConnectionRecord<C>): readonly Checkout<C>[] | undefined {
    return undefined
  }

  /** @internal Settles when nobody closes the record's connection any more: where several hold it, another holder may. */
  async closed(_record: ConnectionRecord<C>): Promise<void> {}

  /** @internal Drops a record whose slot is `closing`, and frees its place. */
  discard(record: ConnectionRecord<C>): void {
    this.records.drop(record)
    this.serveWaiters()
  }

  /** Lets a record that has come back stay, for the next who wants one. */
  protected keep(record: ConnectionRecord<C>): void {
    this.slots.stampReturn(record.slot)
    this.slots.unmark(record.slot, slotFlag.offered)
    // It may lie here for long before it is lent: then it wants a ping, even if it was opened for somebody who has left.
    record.fresh = false
    if (record.connection === undefined) return record.become('empty')
    this.dialect.keepAlive?.(record.connection, false)
    if (this.handsOver) restOrLose(this, record)
    record.assess()
    record.become('idle')
  }

  /** Closes a record that has come back or is reserved, and forgets it; its place is free once it is closed. */
  protected async retire(record: ConnectionRecord<C>): Promise<void> {
    if (record.state !== 'closing') await record.shut('polite')
    this.discard(record)
  }

  /** A new pool of the same class, options and listeners; this one is left as it is (behaviour 250). */
  recreate(): this {
    this.log.info(() => 'Pool recreating')
    const Class = this.constructor as new (options: PoolOptions<C>) => this
    const { creator, dialect, options } = this
    const { events: _, listeners: __, ...rest } = options
    const pool = new Class({ ...rest, ...(creator ? { creator } : {}), dialect })
    this.events.copyTo(pool.events)
    return pool
  }

  /**
   * Checks a connection out. With `useThreadlocal`, nested calls in this thread share one.
   * @throws {TimeoutError} `timeoutMs` has passed; {ArgumentError} bad options; the creator's own error; the signal's reason.
   */
  connect(options: ConnectOptions = {}): Promise<Fairy<C>> {
    return this.#borrow(options, this.connect, this.#local)
  }

  /** Checks a connection out for this caller alone, whatever `useThreadlocal` says (behaviour 18). */
  uniqueConnection(options: ConnectOptions = {}): Promise<Fairy<C>> {
    return this.#borrow(options, this.uniqueConnection, undefined)
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
   * Runs one statement as a transaction of its own, over a connection that the statements of others share. See `StatementDispatch`.
   * What would change the session is refused; what can't be seen in the text, as `set_config()` and advisory locks, is for `connect()` all the same.
   * @throws {InvalidRequestError} it is for a connection of its own; {TimeoutError}; {ArgumentError}; the driver's own error; the signal's reason.
   */
  query<Result = unknown>(text: string, values?: readonly unknown[], options?: QueryOptions): Promise<Result> {
    return this.statements.query(this.#self, text, values, options) as Promise<Result>
  }

  /**
   * Condemns every connection opened before now; each is replaced at its next checkout. A late report about a generation that is
   * condemned already changes nothing (behaviours 146-148). The reporter's own connection is closed at once.
   */
  async invalidate(fairy?: ConnectionFairy<C>, error?: unknown): Promise<void> {
    this.condemn(fairy?.generation)
    if (fairy?.isValid) await fairy.invalidate(error)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unshare()
    await this.dispose()
  }

  /** @internal A checkout for a request of this thread or of another. Synchronous when nothing has to be waited for. */
  checkout(request: CheckoutRequest<C>): MaybePromise<Checkout<C>> {
    if (request.patience.gone) throw request.patience.gone.reason
    const resumed = this.gate(request)
    if (resumed) return resumed.then(() => this.checkout(request))
    const record = this.doGet(request)
    return record instanceof Promise
      ? record.then(claimed => lend(this, claimed, request))
      : lend(this, record, request)
  }

  /** @internal Moves the invalidation clock, unless this generation is condemned already. */
  condemn(generation: number | undefined): void {
    if (generation === undefined || !this.slots.isCondemned(generation)) this.slots.invalidateAll()
  }

  /** @internal Must a connection be reset on its return? Not where the protocol says that no transaction is open: there is nothing to end. */
  needsReset(connection: C | undefined): boolean {
    if (connection === undefined || this.settings.resetOnReturn === 'none') return false
    return this.dialect.inTransaction?.(connection) !== false
  }

  /** @internal The loan that a thread has made by itself, which has left this word in the slot. */
  adopt(record: ConnectionRecord<C>, session: number, word: number): Checkout<C> {
    const borrower = { session, threadId: this.slots.sessions.threadId(session) }
    return new Checkout<C>(this, record, borrower, undefined, word)
  }

  /** @internal The record comes home: after a loan, or after an open that nobody awaits or that has failed. */
  returnConnection(record: ConnectionRecord<C>, _checkout?: Checkout<C>): MaybePromise<void> {
    return this.doReturnConnection(record)
  }

  /** @internal What a caller is told whose deadline has passed. */
  override timeoutError(request: TimedOut, left?: number): TimeoutError {
    return timeoutError(this as unknown as Pool<object>, request, left)
  }

  async #borrow(
    options: ConnectOptions,
    caller: (...args: never[]) => unknown,
    local: ThreadLocal<C> | undefined,
  ): Promise<Fairy<C>> {
    checkConnectOptions(options)
    const request = new CheckoutRequest<C>(
      this.#self,
      {
        timeoutMs: options.timeoutMs === undefined ? this.settings.timeoutMs : options.timeoutMs,
        signal: options.signal,
        trace: traceOf(caller, this.settings, this.slots.waiters),
        fairyOver: checkout => ConnectionFairy.over<C>(checkout, local),
        isCounted: true,
      },
      late => this.timeoutError(late),
    )
    const borrow = async (): Promise<Fairy<C>> => request.fairyFor(await this.checkout(request))
    try {
      return await (local ? local.connect(request.patience, borrow) : borrow())
    } finally {
      request.patience.end()
    }
  }
}
