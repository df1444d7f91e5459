import type { MaybePromise } from '../base/maybe-async.ts'
import { PoolStatus } from '../observe/status.ts'
import { slotFlag, tableFlag } from '../slots/layout.ts'
import { isIdle, type SlotState, sessionOf, stateOf } from '../slots/state.ts'
import type { PoolOptions } from './options.ts'
import { Pool } from './pool.ts'
import { ConnectionRecord } from './record.ts'
import { type CheckoutRequest, notNeeded } from './request.ts'
import { type Waiter, Waiters } from './waiters.ts'

/**
 * At most `poolSize + maxOverflow` connections; at most `poolSize` of them are kept when idle (behaviours 22-59).
 * Callers wait in the order of their arrival, and a connection that comes free is handed to the first of them (no barging).
 */
export class QueuePool<C extends object = object> extends Pool<C> {
  /** By slot; a hole is a place that nobody uses. All counts are taken from here and from the slots, so none can drift. */
  readonly #records: (ConnectionRecord<C> | undefined)[] = []
  readonly #waiters = new Waiters<C>(() => this.slots)

  constructor(options: PoolOptions<C>) {
    super(options, ({ poolSize, maxOverflow }) => (maxOverflow < 0 ? 'growing' : poolSize + maxOverflow))
  }

  override status(): PoolStatus {
    const { poolSize } = this.settings
    let total = 0
    let checkedin = 0
    for (const record of this.#records) {
      if (record === undefined) continue
      total++
      if (isHome(record.state)) checkedin++
    }
    return new PoolStatus({
      poolSize,
      checkedin,
      // Nothing is beyond the size of a pool that has none (behaviour 35).
      overflow: poolSize === 0 ? 0 : total - poolSize,
      checkedout: total - checkedin,
      waiting: this.#waiters.count,
    })
  }

  override async dispose(): Promise<void> {
    // Marked first, then closed: a thread that returns one by itself does it the other way round.
    for (const record of this.#records) if (record) this.slots.mark(record.slot, slotFlag.retiring)
    await Promise.all(this.#closeRetiring())
  }

  override discard(record: ConnectionRecord<C>): void {
    record.become('empty')
    this.#records[record.slot] = undefined
    this.#recount()
    this.serveWaiters()
  }

  override serveWaiters(): void {
    for (let waiter = this.#waiters.next(); waiter; waiter = this.#waiters.next()) {
      const record = this.#take(waiter.session)
      if (record === undefined) return this.#takeBack()
      this.#grant(waiter, record)
    }
  }

  override tidy(): void {
    void Promise.all(this.#closeRetiring())
    this.serveWaiters()
  }

  override records(): readonly ConnectionRecord<C>[] {
    return this.#records.filter(record => record !== undefined)
  }

  override recordOf(slot: number): ConnectionRecord<C> | undefined {
    return this.#records[slot]
  }

  protected override get lendsByItself(): boolean {
    return true
  }

  protected override doGet(request: CheckoutRequest<C>): MaybePromise<ConnectionRecord<C>> {
    const { session } = request.borrower
    // Whoever comes while others wait stands behind them, even if a connection is free at this very moment.
    const record = this.#waiters.next() === undefined ? this.#take(session) : undefined
    if (record !== undefined) return record
    if (request.timeoutMs === 0) throw this.timeoutError(request)
    return new Promise<ConnectionRecord<C>>((resolve, reject) => {
      const { patience } = request
      const leave = (reason: unknown): void => {
        this.#waiters.delete(waiter)
        reject(reason)
      }
      const waiter: Waiter<C> = {
        session,
        leave: () => patience.leave(notNeeded),
        grant: claimed => {
          // From here on the record is the request's: a deadline in the same tick must not leave without giving it back.
          patience.unwatch()
          resolve(claimed)
        },
      }
      patience.watch(leave)
      this.#waiters.add(waiter)
      // Waiters first, then the slots: who returns a connection does it the other way round, so one of the two sees the other.
      this.serveWaiters()
    })
  }

  protected override doReturnConnection(record: ConnectionRecord<C>): MaybePromise<void> {
    if (record.isRetiring) return this.#closeAndDiscard(record)
    const waiter = this.#waiters.next()
    if (waiter !== undefined) return this.#grant(waiter, this.#handOn(record, waiter.session))
    if (this.#isSurplus(record)) return this.#closeAndDiscard(record)
    this.slots.stampReturn(record.slot)
    if (record.connection === undefined) return void record.become('empty')
    this.dialect.keepAlive?.(record.connection, false)
    record.assess()
    record.become('idle')
  }

  #grant(waiter: Waiter<C>, record: ConnectionRecord<C>): void {
    this.#waiters.delete(waiter)
    waiter.grant(record)
  }

  /** The next record for a session, claimed; undefined when every place is taken. One that is home is preferred to a new one (behaviour 29). */
  #take(session: number): ConnectionRecord<C> | undefined {
    for (;;) {
      const next = this.#nextHome()
      if (next === undefined) return this.#create(session)
      const word = this.slots.word(next.slot)
      // An empty slot is the coordinator's alone; an idle one any thread may claim, and then we look again.
      if (stateOf(word) === 'empty') next.become('opening', session)
      else if (!isIdle(word) || !next.attempt(word, 'leased', session)) continue
      return next
    }
  }

  #nextHome(): ConnectionRecord<C> | undefined {
    let next: ConnectionRecord<C> | undefined
    for (const record of this.#records) {
      if (record === undefined || !isHome(record.state)) continue
      if (next === undefined || this.#isBefore(record, next)) next = record
    }
    return next
  }

  #isBefore(a: ConnectionRecord<C>, b: ConnectionRecord<C>): boolean {
    const order = this.slots.compareReturns(a.slot, b.slot)
    return this.settings.useLifo ? order > 0 : order < 0
  }

  /** A record that is on its way home, for the next borrower. */
  #handOn(record: ConnectionRecord<C>, session: number): ConnectionRecord<C> {
    if (record.state === 'closing') record.reopen(session)
    else record.become(record.connection === undefined ? 'opening' : 'leased', session)
    return record
  }

  #create(session: number): ConnectionRecord<C> | undefined {
    const free = this.#records.indexOf(undefined)
    const slot = free === -1 ? this.#records.length : free
    if (slot >= this.slots.capacity && !this.slots.grow()) return undefined
    const record = new ConnectionRecord<C>(this, slot)
    this.#records[slot] = record
    this.#recount()
    record.become('opening', session)
    return record
  }

  /** Idle records beyond `poolSize` are not kept (behaviour 30); a pool of size 0 keeps all (35). */
  #isSurplus(returning: ConnectionRecord<C>): boolean {
    const { poolSize } = this.settings
    if (!this.slots.has(tableFlag.overflowing)) return false
    let home = 0
    for (const record of this.#records) if (record && record !== returning && isHome(record.state)) home++
    return home >= poolSize
  }

  #recount(): void {
    const { poolSize, maxOverflow } = this.settings
    if (poolSize === 0 || maxOverflow === 0) return
    this.slots.set(tableFlag.overflowing, this.records().length > poolSize)
  }

  /**
   * Before anybody has to wait: what is on offer to a thread that needs it no more and may be asleep, so that it would not say
   * so; and what a thread has claimed while it was being told that the pool is shared no more.
   */
  #takeBack(): void {
    const { sessions } = this.slots
    for (const record of this.records()) {
      const session = sessionOf(this.slots.word(record.slot))
      const { current } = record
      if (record.isUnmet && !sessions.isOpen(session)) void record.adopt()?.die()
      else if (current?.isOffer && current.isValid && sessions.waiting(session) === 0) void current.end('closed')
    }
  }

  #closeRetiring(): Promise<void>[] {
    const closing: Promise<void>[] = []
    for (const record of this.#records) {
      if (record === undefined || !record.isRetiring) continue
      // Held before it is touched, so that nobody can borrow what is about to be closed.
      if (record.state === 'empty') record.become('opening')
      else if (!record.reserve()) continue
      closing.push(this.#closeAndDiscard(record))
    }
    return closing
  }

  /** Its place is free once it is closed; waiters are served then. */
  async #closeAndDiscard(record: ConnectionRecord<C>): Promise<void> {
    if (record.state !== 'closing') await record.close('polite')
    this.discard(record)
  }
}

/** At home: idle, or emptied and waiting to be reopened. */
const isHome = (state: SlotState): boolean => state === 'idle' || state === 'empty'
