import { InvalidRequestError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import { slotFlag } from '../slots/layout.ts'
import type { Checkout } from './checkout.ts'
import { checkDisposeOptions, type DisposeOptions, drain } from './draining.ts'
import { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'
import type { CheckoutRequest } from './request.ts'

/**
 * Pools in which several fairies can hold one record at a time, each by a loan of its own: the loan has a slot that is its seat,
 * while the record's slot is `leased`, to nobody in particular, as long as it has a connection. Whoever steps it to `closing`
 * closes the connection and brings the record home; the other loans are then over a dead connection, and touch the record no more.
 *
 * One checkout of a record is under way at a time: whoever comes meanwhile waits for its end, and then looks again.
 */
export abstract class SharedRecordPool<C extends object> extends Pool<C> {
  readonly #byKey = new Map<number, ConnectionRecord<C>>()
  /** The loans of each record, from their beginning until they have come home. */
  readonly #users = new Map<ConnectionRecord<C>, Set<Checkout<C>>>()
  /** Records of which a checkout is under way. */
  readonly #underWay = new Set<ConnectionRecord<C>>()
  /** How many checkouts wait until another's is over. */
  protected waiting = 0
  #got: ConnectionRecord<C> | undefined
  #onChange: (() => void)[] = []

  override get lendsApart(): boolean {
    return false
  }

  /** Which record a session uses. */
  protected abstract keyOf(session: number): number

  /** Before one more record is made. */
  protected makeRoom(): void {}

  /** Nobody uses this record any more. */
  protected whenUnused(_record: ConnectionRecord<C>): void {}

  /** The records that are for whoever comes next; others are only waited for until their last user has gone. */
  protected get listed(): readonly ConnectionRecord<C>[] {
    return [...this.#byKey.values()]
  }

  /** The record that a session uses now. */
  protected recordFor(session: number): ConnectionRecord<C> | undefined {
    return this.#byKey.get(this.keyOf(session))
  }

  /** How many loans there are. */
  protected get loans(): number {
    let loans = 0
    for (const { size } of this.#users.values()) loans += size
    return loans
  }

  /** True when nobody uses a record, opens it or closes it. */
  protected isAtRest(record: ConnectionRecord<C>): boolean {
    if (this.#users.has(record) || this.#underWay.has(record)) return false
    return record.state === 'leased' || record.state === 'empty'
  }

  /**
   * Closes the connections, whoever uses them; one that is being opened, when it has come home (behaviours 76, 87). So there is nothing
   * to be taken away later, by `force`; but the options say whether to wait for what is being opened.
   */
  override async dispose(options: DisposeOptions = {}): Promise<void> {
    checkDisposeOptions(options)
    await this.forgetAll(this.listed, options)
  }

  protected async forgetAll(records: readonly ConnectionRecord<C>[], options: DisposeOptions): Promise<void> {
    await Promise.all(records.map(record => this.forget(record)))
    await drain(this, records, options)
  }

  override seat(record: ConnectionRecord<C>, checkout: Checkout<C>): number {
    const { slots } = this
    const { session } = checkout.borrower
    const slot = this.records.takeSeat()
    slots.step(slot, slots.step(slot, slots.word(slot), 'opening', session), 'leased', session)
    const users = this.#users.get(record) ?? new Set()
    this.#users.set(record, users.add(checkout))
    return slot
  }

  override leaveSeat(slot: number): void {
    const { slots } = this
    if (slots.state(slot) === 'returning') slots.step(slot, slots.word(slot), 'closing')
    slots.step(slot, slots.word(slot), 'empty')
    this.records.freeSeat(slot)
  }

  override sharersOf(record: ConnectionRecord<C>): readonly Checkout<C>[] {
    return [...(this.#users.get(record) ?? [])].reverse()
  }

  override checkout(request: CheckoutRequest<C>): MaybePromise<Checkout<C>> {
    const resumed = this.gate(request)
    if (resumed) return resumed.then(() => this.checkout(request))
    const present = this.recordFor(request.borrower.session)
    const isBusy =
      present && (this.#underWay.has(present) || !(present.state === 'leased' || present.state === 'empty'))
    if (isBusy) return this.#wait(request).then(() => this.checkout(request))
    const checkout = super.checkout(request)
    const record = this.#got!
    if (!(checkout instanceof Promise)) return checkout
    this.#underWay.add(record)
    return checkout.finally(() => {
      this.#underWay.delete(record)
      this.#settle(record)
    })
  }

  override async closed(record: ConnectionRecord<C>): Promise<void> {
    while (record.state === 'closing') await this.#change()
  }

  override returnConnection(record: ConnectionRecord<C>, checkout?: Checkout<C>): void {
    if (checkout) this.#leave(record, checkout)
    if (!checkout || checkout.tenure.closes) this.doReturnConnection(record)
    this.#settle(record)
  }

  override discard(record: ConnectionRecord<C>): void {
    this.#unlist(record)
    super.discard(record)
    this.#changed()
  }

  /** Closes a record's connection, whoever uses it; the next checkout makes a new record. */
  protected async forget(record: ConnectionRecord<C>): Promise<void> {
    this.#unlist(record)
    this.slots.mark(record.slot, slotFlag.retiring)
    // Whoever opens or closes it finds the mark.
    if (this.#underWay.has(record) || !(record.state === 'leased' || record.state === 'empty')) return
    if (record.state === 'empty') record.become('opening')
    await this.retire(record)
  }

  protected override doGet({ borrower: { session } }: CheckoutRequest<C>): ConnectionRecord<C> {
    const record = this.recordFor(session) ?? this.#create(session)
    if (record.state === 'empty') record.become('opening', session)
    this.#got = record
    return record
  }

  protected override doReturnConnection(record: ConnectionRecord<C>): void {
    if (record.state === 'returning') record.become('leased', 0)
    else if (record.state === 'closing') record.become('empty')
  }

  #create(session: number): ConnectionRecord<C> {
    this.makeRoom()
    const record = this.records.create(session)
    if (record === undefined) throw new InvalidRequestError('65,536 connections are open, and that is the most.')
    this.#byKey.set(this.keyOf(session), record)
    return record
  }

  #unlist(record: ConnectionRecord<C>): void {
    for (const [key, each] of this.#byKey) if (each === record) this.#byKey.delete(key)
  }

  #leave(record: ConnectionRecord<C>, checkout: Checkout<C>): void {
    const users = this.#users.get(record)
    users?.delete(checkout)
    if (users?.size === 0) this.#users.delete(record)
  }

  /** Something has changed about a record. */
  #settle(record: ConnectionRecord<C>): void {
    // Dropped meanwhile, and its slot may be another's.
    const isOurs = this.records.at(record.slot) === record
    if (isOurs && this.isAtRest(record)) {
      if (record.connection) this.dialect.keepAlive?.(record.connection, false)
      if (record.isRetiring) void this.forget(record)
      else this.whenUnused(record)
    }
    this.#changed()
  }

  async #wait({ patience }: CheckoutRequest<C>): Promise<void> {
    this.waiting++
    await patience.within(this.#change()).finally(() => this.waiting--)
  }

  #change(): Promise<void> {
    return new Promise(resolve => this.#onChange.push(resolve))
  }

  #changed(): void {
    for (const resolve of this.#onChange.splice(0)) resolve()
  }
}
