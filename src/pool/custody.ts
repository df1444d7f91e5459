import { monotonicMs } from '../base/clock.ts'
import { byAge, type Holder, shown } from '../base/holder.ts'
import { type Out, outOf } from '../slots/out.ts'
import { isLeased, leaseId } from '../slots/state.ts'
import type { Checkout } from './checkout.ts'
import type { DeadlockWatch } from './deadlock-watch.ts'
import { LeaseWatch } from './lease-watch.ts'
import type { Pool } from './pool.ts'

/** What another thread says of one of its leases. */
export type Told = Pick<Holder, 'lease' | 'task' | 'stack' | 'statement'>

/** Asks an attached thread what it holds; undefined: it has not answered within so many milliseconds. Never fails. */
export type Informant = (ms: number) => Promise<readonly Told[] | undefined>

/** How long the answer to `holders()` may wait for a thread whose event loop is blocked. */
const patientMs = 50

/**
 * Who holds what. The slot table says which thread; since when, that thread has noted there. The rest is known where it is: a
 * statement where the driver runs, a stack and a task in the holder's thread. So nobody pays for it but who asks.
 */
export class Custody {
  readonly #pool: Pool<object>
  /** With `detectDeadlocks`, where callers wait for places. */
  deadlocks: DeadlockWatch | undefined
  #watch: LeaseWatch | undefined
  readonly #informants = new Map<number, Informant>()

  constructor(pool: Pool<object>) {
    this.#pool = pool
  }

  /** There is a connection to be held. */
  begin(): void {
    const { leakDetectionMs, maxLeaseMs } = this.#pool.settings
    if (leakDetectionMs === null && maxLeaseMs === null) return
    this.#watch ??= new LeaseWatch(this.#pool, leakDetectionMs, maxLeaseMs)
    this.#watch.start()
  }

  /** A thread has attached. */
  join(session: number, informant: Informant): void {
    this.#informants.set(session, informant)
  }

  leave(session: number): void {
    this.#informants.delete(session)
  }

  /** Who holds what, as far as it is known here. */
  now(): Holder[] {
    return this.#list(new Map())
  }

  /** The same with what the holders' threads know. One that does not answer within `ms` milliseconds delays it no longer. */
  async ask(ms: number = patientMs): Promise<Holder[]> {
    const sessions = [...new Set(this.out().map(({ session }) => session))]
    const asked = sessions.filter(session => this.#informants.has(session))
    const answers = new Map<number, readonly Told[] | undefined>()
    await Promise.all(asked.map(async session => answers.set(session, await this.#informants.get(session)!(ms))))
    return this.#list(answers)
  }

  /** True when threads hold something that could say more about it than is known here. */
  get isAnybodyToAsk(): boolean {
    return this.#informants.size > 0 && this.out().some(({ session }) => this.#informants.has(session))
  }

  /** Where several can hold one record each has a seat, and the record's own slot is lent to nobody in particular. */
  out(): Out[] {
    const { slots, records, lendsApart } = this.#pool
    const out = outOf(slots)
    return lendsApart ? out : out.filter(({ slot, word }) => !isLeased(word) || records.at(slot) === undefined)
  }

  #list(answers: ReadonlyMap<number, readonly Told[] | undefined>): Holder[] {
    const { slots } = this.#pool
    const now = monotonicMs()
    const checkouts = this.#checkouts()
    const holders = this.out().map(({ slot, word, session, use }): Holder => {
      const lease = leaseId(slot, word)
      const checkout = checkouts.get(lease)
      // Of what is another's a thread has nothing to say.
      const facts = answers.get(session)?.find(told => told.lease === lease)
      const isSilent = answers.has(session) && answers.get(session) === undefined
      return {
        lease,
        threadId: slots.sessions.threadId(session),
        use,
        task: facts?.task,
        heldMs: slots.notes.heldMs(slot, word, now),
        stack: facts?.stack ?? checkout?.trace?.stack,
        statement:
          facts?.statement ?? (checkout?.statement && shown(checkout.statement)) ?? (isSilent ? 'unknown' : undefined),
      }
    })
    return holders.sort(byAge)
  }

  /** By lease: those that this thread has heard of. */
  #checkouts(): Map<number, Checkout<object>> {
    const checkouts = new Map<number, Checkout<object>>()
    for (const record of this.#pool.records) {
      const known = this.#pool.sharersOf(record) ?? (record.current ? [record.current] : [])
      for (const checkout of known) checkouts.set(checkout.lease, checkout)
    }
    return checkouts
  }
}
