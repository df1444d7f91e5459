import { monotonicMs } from '../base/clock.ts'
import { asError, takenAway } from '../base/errors.ts'
import { type Holder, nameOf } from '../base/holder.ts'
import { Ticker } from '../base/ticker.ts'
import { slotFlag } from '../slots/layout.ts'
import { leaseId, sessionOf } from '../slots/state.ts'
import type { Pool } from './pool.ts'

/** How often it looks: a tenth of the shortest limit, but no more often, and no less, in milliseconds. */
const look = { shortest: 10, longest: 1000 } as const

/** What is known of the lease that a slot was seen with. */
interface Seen {
  readonly lease: number
  readonly threadId: number
  /** Monotonic milliseconds. */
  readonly since: number
  state: 'new' | 'warned' | 'taken'
}

/**
 * Looks for leases that last longer than `leakDetectionMs`, and says so once of each, and again should it come home after all; and
 * takes away those that last longer than `maxLeaseMs`. Threads lend to themselves without a word, so all slots are looked at. It has
 * a timer as long as the pool has connections. Statements of `pool.query()` are nobody's lease, and let alone.
 */
export class LeaseWatch {
  readonly #pool: Pool<object>
  readonly #leakMs: number
  readonly #mostMs: number
  readonly #ticker: Ticker
  readonly #bySlot = new Map<number, Seen>()

  constructor(pool: Pool<object>, leakMs: number | null, mostMs: number | null) {
    this.#pool = pool
    this.#leakMs = leakMs ?? Number.POSITIVE_INFINITY
    // Where several hold one connection, it would be taken away from all of them.
    this.#mostMs = (pool.lendsApart ? mostMs : null) ?? Number.POSITIVE_INFINITY
    const tenth = Math.min(this.#leakMs, this.#mostMs) / 10
    this.#ticker = new Ticker(Math.min(look.longest, Math.max(look.shortest, tenth)), () => this.#look())
  }

  /** There is a connection. */
  start(): void {
    this.#ticker.start()
  }

  #look(): void {
    const { custody, records, slots } = this.#pool
    if (records.size === 0) this.#ticker.stop()
    const now = monotonicMs()
    const out = custody.out().filter(({ use }) => use === 'connect')
    const leases = new Set(out.map(({ slot, word }) => leaseId(slot, word)))
    for (const [slot, seen] of this.#bySlot) {
      if (leases.has(seen.lease)) continue
      this.#bySlot.delete(slot)
      if (seen.state === 'warned') this.#unleaked(seen, now)
    }
    for (const { slot, word } of out) {
      const seen = this.#bySlot.get(slot) ?? this.#first(slot, word, now)
      const heldMs = now - seen.since
      if (heldMs > this.#mostMs) this.#take(slot, seen, heldMs)
      else if (heldMs > this.#leakMs && seen.state === 'new' && !slots.isMarked(slot, slotFlag.offered))
        this.#leak(seen)
    }
  }

  #first(slot: number, word: number, now: number): Seen {
    const { notes, sessions } = this.#pool.slots
    const since = now - (notes.heldMs(slot, word, now) ?? 0)
    const seen: Seen = { lease: leaseId(slot, word), threadId: sessions.threadId(sessionOf(word)), since, state: 'new' }
    this.#bySlot.set(slot, seen)
    return seen
  }

  #leak(seen: Seen): void {
    seen.state = 'warned'
    void this.#tell(seen, 'may be leaked', `leakDetectionMs is ${this.#leakMs}`)
  }

  #unleaked({ threadId, since }: Seen, now: number): void {
    this.#pool.log.warn(
      `a connection that may have been leaked was given back after all: thread ${threadId} had it for ${Math.round(now - since)} ms.`,
    )
  }

  #take(slot: number, seen: Seen, heldMs: number): void {
    if (seen.state === 'taken') return
    const loan = this.#pool.records.at(slot)?.loan
    // Its thread has just ended it, and may have begun another.
    if (loan?.lease !== seen.lease) return
    seen.state = 'taken'
    // Nobody has it yet, but nobody else can have it either: its thread is asleep.
    if (loan.isOffer) return void loan.end('closed')
    const said = this.#tell(seen, 'is taken away', `maxLeaseMs is ${this.#mostMs}`)
    const ended = loan.expire(takenAway(heldMs, this.#mostMs))
    ended.catch(error => this.#pool.log.error('a connection could not be taken away cleanly.', asError(error)))
    void said
  }

  /** What the holder's thread knows is asked for first. It may have ended meanwhile; then the notice of that comes behind. */
  async #tell(seen: Seen, what: string, limit: string): Promise<void> {
    const before = this.#pool.custody.now().find(({ lease }) => lease === seen.lease)
    const holder = (await this.#pool.custody.ask()).find(({ lease }) => lease === seen.lease) ?? before
    if (holder) this.#pool.log.warn(`a connection ${what} (${limit}): ${nameOf(holder)}${placeOf(holder)}`)
  }
}

const placeOf = ({ stack }: Holder): string =>
  stack === undefined ? '' : `; checked out\n${stack.split('\n').slice(1).join('\n')}`
