import type { MaybePromise } from '../base/maybe-async.ts'
import { slotFlag } from '../slots/layout.ts'
import type { Checkout } from './checkout.ts'
import { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'
import type { CheckoutRequest } from './request.ts'

/**
 * Pools in which several fairies can hold one record at a time, each by a loan of its own: the loan has a slot that is its seat,
 * while the record's slot is `leased`, to nobody in particular, as long as it has a connection.
 */
export abstract class SharedRecordPool<C extends object> extends Pool<C> {
  /** Records by key, and how many loans each has. */
  readonly #shared = new Map<number, ConnectionRecord<C>>()
  readonly #seats = new Map<ConnectionRecord<C>, number>()
  #settled: (() => void)[] = []

  /** Which record a session uses. */
  protected abstract keyOf(session: number): number

  /** The record that a session uses now. */
  protected recordFor(session: number): ConnectionRecord<C> | undefined {
    return this.#shared.get(this.keyOf(session))
  }

  /** The key under which a record stands; 0 where it stands under none any more. */
  protected keyOfRecord(record: ConnectionRecord<C>): number {
    for (const [key, each] of this.#shared) if (each === record) return key
    return 0
  }

  /** Before one more record is made. */
  protected makeRoom(): void {}

  /** How many loans there are. */
  protected get loans(): number {
    let loans = 0
    for (const count of this.#seats.values()) loans += count
    return loans
  }

  /** How many loans a record has. */
  protected loansOf(record: ConnectionRecord<C>): number {
    return this.#seats.get(record) ?? 0
  }

  override async dispose(): Promise<void> {
    await Promise.all([...this.records].map(record => this.forget(record)))
  }

  override seat(record: ConnectionRecord<C>, session: number): number {
    const slot = this.records.takeSeat()
    const { slots } = this
    slots.unmark(slot, slotFlag.stale | slotFlag.lost | slotFlag.retiring)
    // A seat never comes home by itself.
    slots.mark(slot, slotFlag.slow)
    slots.step(slot, slots.step(slot, slots.word(slot), 'opening', session), 'leased', session)
    this.#seats.set(record, this.loansOf(record) + 1)
    return slot
  }

  override leaveSeat(record: ConnectionRecord<C>, slot: number): void {
    const { slots } = this
    if (slots.state(slot) === 'returning') slots.step(slot, slots.word(slot), 'closing')
    slots.step(slot, slots.word(slot), 'empty')
    this.records.freeSeat(slot)
    this.#seats.set(record, this.loansOf(record) - 1)
  }

  override checkout(request: CheckoutRequest<C>): MaybePromise<Checkout<C>> {
    const checkout = super.checkout(request)
    return checkout instanceof Promise ? checkout.finally(() => this.#signal()) : checkout
  }

  override discard(record: ConnectionRecord<C>): void {
    this.#unlist(record)
    super.discard(record)
    this.#signal()
  }

  /** Closes a record's connection, whoever uses it; the next checkout makes a new record. */
  protected async forget(record: ConnectionRecord<C>): Promise<void> {
    if (record.state !== 'leased') return
    this.#unlist(record)
    await this.retire(record)
  }

  protected override doGet(request: CheckoutRequest<C>): MaybePromise<ConnectionRecord<C>> {
    const record = this.recordFor(request.borrower.session)
    if (record === undefined) return this.#create(request.borrower.session)
    if (record.state === 'leased') return record
    if (record.state === 'empty') {
      record.become('opening', request.borrower.session)
      return record
    }
    // Somebody opens or closes it: let that be done first.
    const settled = new Promise<void>(resolve => this.#settled.push(resolve))
    return request.patience.within(settled).then(() => this.doGet(request))
  }

  protected override doReturnConnection(record: ConnectionRecord<C>): void {
    const { state } = record
    if (record.connection === undefined) {
      if (state === 'leased' || state === 'returning') record.become('closing')
      if (record.state === 'closing') record.become('empty')
    } else if (state === 'returning') record.become('leased', 0)
    this.#signal()
  }

  #create(session: number): ConnectionRecord<C> {
    this.makeRoom()
    const record = this.records.create(session)!
    this.#shared.set(this.keyOf(session), record)
    return record
  }

  #unlist(record: ConnectionRecord<C>): void {
    for (const [key, each] of this.#shared) if (each === record) this.#shared.delete(key)
    this.#seats.delete(record)
  }

  #signal(): void {
    const settled = this.#settled
    this.#settled = []
    for (const resolve of settled) resolve()
  }
}
