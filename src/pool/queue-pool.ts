import type { MaybePromise } from '../base/maybe-async.ts'
import { PoolStatus } from '../observe/status.ts'
import type { SlotState } from '../slots/state.ts'
import type { PoolOptions } from './options.ts'
import { Pool } from './pool.ts'
import { ConnectionRecord } from './record.ts'
import type { CheckoutRequest } from './request.ts'

interface Waiter<C extends object> {
  readonly session: number
  /** Called once, synchronously, with a record claimed for this waiter. */
  readonly grant: (record: ConnectionRecord<C>) => void
}

/**
 * At most `poolSize + maxOverflow` connections; at most `poolSize` of them are kept when idle (behaviours 22-59).
 * Callers wait in the order of their arrival, and a connection that comes free is handed to the first of them (no barging).
 */
export class QueuePool<C extends object = object> extends Pool<C> {
  /** By slot; a hole is a place that nobody uses. All counts are taken from here and from the slots, so none can drift. */
  readonly #records: (ConnectionRecord<C> | undefined)[] = []
  readonly #waiters = new Set<Waiter<C>>()
  #epoch = 0

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
      if (isHome(record)) checkedin++
    }
    return new PoolStatus({
      poolSize,
      checkedin,
      // Nothing is beyond the size of a pool that has none (behaviour 35).
      overflow: poolSize === 0 ? 0 : total - poolSize,
      checkedout: total - checkedin,
      waiting: this.#waiters.size,
    })
  }

  override async dispose(): Promise<void> {
    this.#epoch++
    const closing: Promise<void>[] = []
    for (const record of this.#records) {
      if (record === undefined || !isHome(record)) continue
      // Reserved before it is touched, so that nobody can borrow what is about to be closed.
      record.become(record.state === 'idle' ? 'reserved' : 'opening')
      closing.push(this.#closeAndDiscard(record))
    }
    await Promise.all(closing)
  }

  override discard(record: ConnectionRecord<C>): void {
    record.become('empty')
    this.#records[record.slot] = undefined
    this.serveWaiters()
  }

  override serveWaiters(): void {
    for (const waiter of this.#waiters) {
      const record = this.#take(waiter.session)
      if (record === undefined) break
      this.#grant(waiter, record)
    }
  }

  protected override doGet(request: CheckoutRequest<C>): MaybePromise<ConnectionRecord<C>> {
    // Whoever comes while others wait stands behind them, even if a connection is free at this very moment.
    const record = this.#waiters.size === 0 ? this.#take(request.borrower.session) : undefined
    if (record !== undefined) return record
    if (request.timeoutMs === 0) throw this.timeoutError(request)
    return new Promise<ConnectionRecord<C>>((resolve, reject) => {
      const { patience } = request
      const waiter: Waiter<C> = {
        session: request.borrower.session,
        grant: claimed => {
          // From here on the record is the request's: a deadline in the same tick must not leave without giving it back.
          patience.unwatch()
          resolve(claimed)
        },
      }
      patience.watch(reason => {
        this.#leave(waiter)
        reject(reason)
      })
      this.#waiters.add(waiter)
      this.slots.waiters = this.#waiters.size
      // Waiters first, then the slots: who returns a connection does it the other way round, so one of the two sees the other.
      this.serveWaiters()
    })
  }

  protected override doReturnConnection(record: ConnectionRecord<C>): MaybePromise<void> {
    const [waiter] = this.#waiters
    if (record.epoch !== this.#epoch) return this.#closeAndDiscard(record)
    if (waiter !== undefined) return this.#grant(waiter, this.#claim(record, waiter.session))
    if (this.#isSurplus(record)) return this.#closeAndDiscard(record)
    this.slots.stampReturn(record.slot)
    if (record.connection === undefined) return void record.become('empty')
    this.dialect.keepAlive?.(record.connection, false)
    record.become('idle')
  }

  #grant(waiter: Waiter<C>, record: ConnectionRecord<C>): void {
    this.#leave(waiter)
    waiter.grant(record)
  }

  #leave(waiter: Waiter<C>): void {
    this.#waiters.delete(waiter)
    this.slots.waiters = this.#waiters.size
  }

  /** The next record for a session, claimed; undefined when every place is taken. One that is home is preferred to a new one (behaviour 29). */
  #take(session: number): ConnectionRecord<C> | undefined {
    let next: ConnectionRecord<C> | undefined
    for (const record of this.#records) {
      if (record === undefined || !isHome(record)) continue
      if (next === undefined || this.#isBefore(record, next)) next = record
    }
    return next ? this.#claim(next, session) : this.#create(session)
  }

  #isBefore(a: ConnectionRecord<C>, b: ConnectionRecord<C>): boolean {
    const order = this.slots.compareReturns(a.slot, b.slot)
    return this.settings.useLifo ? order > 0 : order < 0
  }

  /** For a borrower: a record that is home, or one that is handed on as it returns. */
  #claim(record: ConnectionRecord<C>, session: number): ConnectionRecord<C> {
    if (record.state === 'closing') record.reopen(session)
    else record.become(record.connection === undefined ? 'opening' : 'leased', session)
    return record
  }

  #create(session: number): ConnectionRecord<C> | undefined {
    const free = this.#records.indexOf(undefined)
    const slot = free === -1 ? this.#records.length : free
    if (slot >= this.slots.capacity && !this.slots.grow()) return undefined
    const record = new ConnectionRecord<C>(this, slot, this.#epoch)
    this.#records[slot] = record
    record.become('opening', session)
    return record
  }

  /** Idle records beyond `poolSize` are not kept (behaviour 30); a pool of size 0 keeps all (35). */
  #isSurplus(returning: ConnectionRecord<C>): boolean {
    const { poolSize } = this.settings
    if (poolSize === 0 || this.#records.length <= poolSize) return false
    let home = 0
    for (const record of this.#records) if (record !== undefined && record !== returning && isHome(record)) home++
    return home >= poolSize
  }

  /** Its place is free once it is closed; waiters are served then. */
  async #closeAndDiscard(record: ConnectionRecord<C>): Promise<void> {
    if (record.state !== 'closing') await record.close('polite')
    this.discard(record)
  }
}

/** At home: idle, or emptied and waiting to be reopened. */
const isHome = ({ state }: { readonly state: SlotState }): boolean => state === 'idle' || state === 'empty'
