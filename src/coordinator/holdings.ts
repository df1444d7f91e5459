import { takenAway } from '../base/errors.ts'
import type { Offer } from '../dialects/dialect.ts'
import type { LoanEnd } from '../fairies/loan.ts'
import type { Checkout } from '../pool/checkout.ts'
import type { Pool } from '../pool/pool.ts'
import type { ConnectionRecord } from '../pool/record.ts'
import { RowEncoder } from '../protocol/row-coder.ts'
import { sessionOf, slotOfLease, wordOfLease } from '../slots/state.ts'
import { RemoteCallee, type ReplySender } from '../transports/remote-callee.ts'
import { Consignments } from './consignments.ts'

/** A lease of one session: the checkout behind it, and the calls on it. */
export interface Held {
  readonly checkout: Checkout<object>
  readonly callee: RemoteCallee
}

/**
 * What one attached thread holds. The slot table has the last word: a thread ends its leases and makes new ones of the same
 * record without telling, so a lease is looked up in its slot, and one that was not known is met here for the first time.
 */
export class Holdings {
  readonly #pool: Pool<object>
  readonly #session: number
  readonly #reply: ReplySender
  /** One for the port: it numbers what the far side remembers. */
  readonly encoder: RowEncoder = new RowEncoder()
  readonly consignments: Consignments = new Consignments()
  readonly #bySlot = new Map<number, Held>()
  /** By lease: they have no slot any more. */
  readonly #detached = new Map<number, Held>()

  constructor(pool: Pool<object>, session: number, reply: ReplySender) {
    this.#pool = pool
    this.#session = session
    this.#reply = reply
  }

  /** Takes charge of a checkout that this session's thread has been granted, or has made by itself. */
  add(checkout: Checkout<object>): Held {
    const callee = new RemoteCallee(checkout, () => this.#pool.dialect, this.#reply, this.encoder)
    const held = { checkout, callee }
    this.#bySlot.set(slotOfLease(checkout.lease), held)
    checkout.onEnd = reason => this.#ended(held, reason)
    return held
  }

  /** A lease of this session, as long as it lasts. */
  find(lease: number): Held | undefined {
    const held = this.#bySlot.get(slotOfLease(lease))
    if (held?.checkout.lease === lease) return held.checkout.isValid ? held : undefined
    const detached = this.#detached.get(lease)
    if (detached) return detached
    const record = this.#pool.records.at(slotOfLease(lease))
    if (record === undefined || this.#pool.slots.word(record.slot) !== wordOfLease(lease)) return undefined
    const checkout = this.#ownIn(record)
    return checkout === held?.checkout ? held : checkout && this.add(checkout)
  }

  /** What the thread needs to run the driver itself; undefined: it can't. */
  offer(lease: number, held: Held): Offer | undefined {
    return this.consignments.send(lease, () => held.checkout.offer())
  }

  /** Detaches a lease: it is found by its number from now on, for its slot is free. */
  async detach(lease: number, held: Held): Promise<void> {
    // Of one that is detached already the slot is another's by now, and that may be this thread's as well.
    if (this.#bySlot.get(slotOfLease(lease)) !== held) return
    this.#bySlot.delete(slotOfLease(lease))
    this.#detached.set(lease, held)
    await held.checkout.detach()
  }

  /** All of it, with what the coordinator has not heard of; none of it is the session's any more. */
  clear(): Checkout<object>[] {
    const checkouts = [...this.#bySlot.values(), ...this.#detached.values()].map(held => held.checkout)
    this.#bySlot.clear()
    this.#detached.clear()
    for (const record of this.#pool.records) {
      const loan = this.#ownIn(record)
      if (loan && !checkouts.includes(loan)) checkouts.push(loan)
    }
    return checkouts
  }

  /** A claim of this session's thread, whether something else on the coordinator has met it already or not. */
  #ownIn(record: ConnectionRecord<object>): Checkout<object> | undefined {
    if (!record.isClaimed || sessionOf(this.#pool.slots.word(record.slot)) !== this.#session) return undefined
    // Between two looks another thread may have got it.
    const { loan } = record
    return loan?.borrower.session === this.#session ? loan : undefined
  }

  #ended(held: Held, reason: LoanEnd): void {
    const { lease } = held.checkout
    if (this.#bySlot.get(slotOfLease(lease)) === held) this.#bySlot.delete(slotOfLease(lease))
    if (this.#detached.get(lease) === held) this.#detached.delete(lease)
    // A turn later: a call whose own failure has ended the lease is answered with that failure.
    if (reason === 'expired') held.callee.cutOff(takenAway())
    if (reason === 'invalidated' || reason === 'died') setImmediate(() => held.callee.cutOff())
  }
}
