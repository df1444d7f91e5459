import { monotonicMs } from '../base/clock.ts'
import { TimeoutError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import { PoolStatus } from '../observe/status.ts'
import { fullQueue } from '../slots/full-queue.ts'
import { slotFlag, tableFlag } from '../slots/layout.ts'
import { isIdle, sessionOf, stateOf } from '../slots/state.ts'
import type { Checkout } from './checkout.ts'
import { DeadlockWatch } from './deadlock-watch.ts'
import { checkDisposeOptions, type DisposeOptions, drain } from './draining.ts'
import type { PoolOptions } from './options.ts'
import { OwnGuard } from './own-guard.ts'
import { Pool } from './pool.ts'
import { queuePolicy } from './queue-options.ts'
import type { ConnectionRecord } from './record.ts'
import { isHome } from './records.ts'
import { type CheckoutRequest, notNeeded } from './request.ts'
import { Starvation } from './starvation.ts'
import { fullTimeoutError } from './timeout-report.ts'
import { hasUpkeep, Upkeep } from './upkeep.ts'
import { Vigil } from './vigil.ts'
import { type Waiter, Waiters } from './waiters.ts'

/**
 * At most `poolSize + maxOverflow` connections; at most `poolSize` of them are kept when idle (behaviours 22-59).
 * Callers wait in the order of their arrival, and a connection that comes free is handed to the first of them (no barging).
 */
export class QueuePool<C extends object = object> extends Pool<C> {
  readonly #waiters = new Waiters<C>(
    () => this.slots,
    isAnybody => {
      this.starvation?.watch(isAnybody)
      this.custody.deadlocks?.watch(isAnybody)
      if (isAnybody) return
      this.#vigil.end()
      this.prober.rest()
    },
  )

  readonly #vigil = new Vigil(() => this.slots, {
    neglected: () => this.tidy(),
    quiet: () => this.#waiters.dismissNeedless(),
  })

  constructor(options: PoolOptions<C>) {
    super(options, ({ poolSize, maxOverflow }) => (maxOverflow < 0 ? 'growing' : poolSize + maxOverflow))
    if (hasUpkeep(this.settings)) this.upkeep = new Upkeep<C>(this, () => this.#create(0))
    if (this.settings.minIdle > 0) this.upkeep?.wake()
    if (this.settings.collectOnStarvation) this.starvation = new Starvation(this as unknown as Pool<object>)
    if (this.settings.detectDeadlocks) this.#detectDeadlocks()
  }

  override status(): PoolStatus {
    const { poolSize } = this.settings
    const total = this.records.size
    const checkedin = this.records.home()
    const counts = {
      poolSize,
      checkedin,
      // Nothing is beyond the size of a pool that has none (behaviour 35).
      overflow: poolSize === 0 ? 0 : total - poolSize,
      checkedout: total - checkedin,
      waiting: this.#waiters.count + this.statements.waiting,
      ...this.starvation?.counts,
      state: this.state,
    }
    return new PoolStatus(counts, undefined, this.transports)
  }

  override async dispose(options: DisposeOptions = {}): Promise<void> {
    checkDisposeOptions(options)
    this.upkeep?.sleep()
    const records = [...this.records]
    // Marked first, then closed: a thread that returns one by itself does it the other way round.
    for (const { slot } of records) this.slots.mark(slot, slotFlag.retiring)
    await Promise.all([...this.#closeRetiring(), drain(this, records, options)])
    this.log.info(() => `Pool disposed. ${this.status()}`)
  }

  override discard(record: ConnectionRecord<C>): void {
    this.records.drop(record)
    this.#recount()
    this.upkeep?.discarded(record)
    this.serveWaiters()
  }

  override serveWaiters(): void {
    for (let waiter = this.#next(); waiter; waiter = this.#next()) {
      const { mayOpen } = this.prober
      const record = this.#take(waiter.session, mayOpen)
      if (record === undefined) {
        // Asked once: it may have become true meanwhile, and then nobody would look again.
        if (!mayOpen) this.prober.rouse()
        return this.#takeBack()
      }
      this.#grant(waiter, record)
    }
  }

  /** With `retryConnect`, whoever's own attempt has found the database out of reach waits again, where he stood before. */
  override checkout(request: CheckoutRequest<C>): MaybePromise<Checkout<C>> {
    const lent = super.checkout(request)
    return this.settings.retryConnect && lent instanceof Promise ? this.#persist(lent, request) : lent
  }

  async #persist(first: Promise<Checkout<C>>, request: CheckoutRequest<C>): Promise<Checkout<C>> {
    for (let lent: MaybePromise<Checkout<C>> = first; ; lent = super.checkout(request)) {
      try {
        return await lent
      } catch (error) {
        if (request.patience.gone || request.timeoutMs === 0 || !this.prober.isOutage(error)) throw error
        request.waitAgain()
      }
    }
  }

  override tidy(): void {
    void Promise.all(this.#closeRetiring())
    this.serveWaiters()
  }

  override sessionOver(session: number): void {
    this.upkeep?.leave(session)
  }

  override get lendsByItself(): boolean {
    return true
  }

  protected override doGet(request: CheckoutRequest<C>): MaybePromise<ConnectionRecord<C>> {
    const { session } = request.borrower
    const isNew = request.turn === undefined
    request.turn ??= this.#waiters.arrive()
    // Whoever comes while others wait stands behind them, even if a connection is free at this very moment.
    const record = this.#waiters.next() === undefined && !this.isSuspended ? this.#take(session) : undefined
    if (record !== undefined) return record
    if (request.timeoutMs === 0) throw this.timeoutError(request)
    return new Promise<ConnectionRecord<C>>((resolve, reject) => {
      const { patience } = request
      const leave = (reason: unknown): void => {
        this.#waiters.delete(waiter)
        const isLate = reason instanceof TimeoutError && this.custody.isAnybodyToAsk
        if (isLate) void fullTimeoutError(this as unknown as Pool<object>, request, 1).then(reject)
        else reject(reason)
      }
      const waiter: Waiter<C> = {
        session,
        leave: () => patience.leave(notNeeded),
        caller: this.settings.detectDeadlocks ? { at: monotonicMs(), fail: error => patience.leave(error) } : undefined,
        grant: claimed => {
          // From here on the record is the request's: a deadline in the same tick must not leave without giving it back.
          patience.unwatch()
          resolve(claimed)
        },
      }
      patience.watch(leave)
      this.#waiters.add(waiter, request.turn)
      if (session !== 0) this.#vigil.keep()
      // Waiters first, then the slots: who returns a connection does it the other way round, so one of the two sees the other.
      this.serveWaiters()
      if (!isNew || !request.isCounted || !this.#waiters.has(waiter)) return
      const full = fullQueue(this.slots, 0, queuePolicy(this.settings), 'connect')
      if (full) leave(full)
    })
  }

  protected override doReturnConnection(record: ConnectionRecord<C>): MaybePromise<void> {
    if (record.isRetiring) return this.retire(record)
    const waiter = this.#next()
    if (waiter !== undefined) {
      if (this.prober.mayLend(record)) return this.#grant(waiter, this.#handOn(record, waiter.session))
      this.prober.rouse()
    }
    if (this.#isSurplus(record)) return this.retire(record)
    this.keep(record)
  }

  /** Whose turn it is, if it is anybody's. */
  #next(): Waiter<C> | undefined {
    const next = this.#waiters.next()
    return this.isSuspended ? undefined : next
  }

  #detectDeadlocks(): void {
    const watch = new DeadlockWatch(this as unknown as Pool<object>)
    watch.join(0, new OwnGuard<C>(this, this.#waiters, watch))
    this.custody.deadlocks = watch
  }

  #grant(waiter: Waiter<C>, record: ConnectionRecord<C>): void {
    this.#waiters.delete(waiter)
    waiter.grant(record)
  }

  /** The next record for a session, claimed; undefined when every place is taken. One that is home is preferred to a new one (behaviour 29). */
  #take(session: number, mayOpen: boolean = this.prober.mayOpen): ConnectionRecord<C> | undefined {
    for (;;) {
      const next = this.#nextHome(mayOpen)
      if (next === undefined) return mayOpen ? this.#create(session) : undefined
      // Its thread has returned it by itself just as `dispose()` marked it, and is about to say so.
      if (next.isRetiring) {
        void Promise.all(this.#closeRetiring())
        continue
      }
      const word = this.slots.word(next.slot)
      // An empty slot is the coordinator's alone; an idle one any thread may claim, and then we look again.
      if (stateOf(word) === 'empty') next.become('opening', session)
      else if (!isIdle(word) || !next.attempt(word, 'leased', session)) continue
      this.prober.claimed(next)
      return next
    }
  }

  #nextHome(mayOpen: boolean): ConnectionRecord<C> | undefined {
    let next: ConnectionRecord<C> | undefined
    const { isAllSpokenFor } = this.#vigil
    for (const record of this.records) {
      if (!isHome(record) || (!mayOpen && !this.prober.mayLend(record))) continue
      if (isAllSpokenFor && record.state === 'idle' && this.slots.isFresh(record.slot)) continue
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
    this.prober.claimed(record)
    if (record.state === 'closing') record.reopen(session)
    else record.become(record.connection === undefined ? 'opening' : 'leased', session)
    return record
  }

  #create(session: number): ConnectionRecord<C> | undefined {
    const record = this.records.create(session)
    if (record) this.prober.claimed(record)
    this.#recount()
    this.upkeep?.wake()
    return record
  }

  /** Idle records beyond `poolSize` are not kept (behaviour 30); a pool of size 0 keeps all (35). */
  #isSurplus(returning: ConnectionRecord<C>): boolean {
    const { poolSize } = this.settings
    if (!this.slots.has(tableFlag.overflowing)) return false
    return this.records.home(returning) >= poolSize
  }

  #recount(): void {
    const { poolSize, maxOverflow } = this.settings
    if (poolSize === 0 || maxOverflow === 0) return
    this.slots.set(tableFlag.overflowing, this.records.size > poolSize)
  }

  /**
   * Before anybody has to wait: what is on offer to a thread that needs it no more and may be asleep, so that it would not say
   * so; and what a thread has claimed while it was being told that the pool is shared no more.
   */
  #takeBack(): void {
    const { sessions } = this.slots
    for (const record of this.records) {
      const session = sessionOf(this.slots.word(record.slot))
      const { current } = record
      if (record.isUnmet && !sessions.isOpen(session)) void record.adopt()?.die()
      else if (current?.isOffer && !record.isClaimed && sessions.waiting(session) === 0) void current.end('closed')
    }
  }

  #closeRetiring(): Promise<void>[] {
    const closing: Promise<void>[] = []
    for (const record of this.records) {
      if (!record.isRetiring) continue
      // Held before it is touched, so that nobody can borrow what is about to be closed.
      if (record.state === 'empty') record.become('opening')
      else if (!record.reserve()) continue
      closing.push(this.retire(record))
    }
    return closing
  }
}
