import { monotonicMs } from '../base/clock.ts'
import { mayKeep, nextInTurn, othersWait, spokenFor } from './fair-share.ts'
import { slotFlag, tableFlag } from './layout.ts'
import { isOnOffer } from './places.ts'
import type { SlotTable } from './slot-table.ts'
import { isIdle, isTaken, leaseId, sessionOf, slotOfLease, wordOfLease } from './state.ts'

/** What of the pool's policy a thread must know to lend to itself. */
export interface LanePolicy {
  readonly useLifo: boolean
  /** A connection older than this is not lent; negative: age does not matter. */
  readonly recycleMs: number
}

/**
 * What became of a return. `home`: idle, and nobody waits, or whose turn it is has been rung for. `awaited`: idle, and the
 * coordinator must be told, for it has work with it. `slow`: nothing was done, the return must go by message. `ended`: somebody else has ended this lease.
 */
export type Returned = 'home' | 'awaited' | 'slow' | 'ended'

const needsCoordinator = slotFlag.slow | slotFlag.lost | slotFlag.retiring

/** Any of these, and no thread may lend to itself. */
const forbidden = tableFlag.watched | tableFlag.suspended

/** True when a thread may lend to itself; `peeks`: it looks at connections before it does. */
function mayLend(flags: number, peeks: boolean): boolean {
  const forbids = peeks ? forbidden : forbidden | tableFlag.pinged
  return (flags & (tableFlag.fastCheckout | forbids)) === tableFlag.fastCheckout
}

/**
 * Checkout and checkin by compare-and-set alone, for one thread. Every step is one from which the coordinator recovers the
 * slot if the thread dies right after it. Leases are numbers as in messages; 0: none.
 */
export class FastLane {
  readonly #table: SlotTable
  readonly #session: number
  readonly #policy: LanePolicy
  #handOvers = 0
  /** The word of the slot that was found last. */
  #nextWord = 0
  /** By slot: its word when this thread last put it back. It is still that if nobody has had it since: a loan raises the number in it. */
  readonly #left: number[] = []
  /** True where this thread looks at a connection before it lends it: then it needs no ping. */
  peeks = false

  constructor(table: SlotTable, session: number, policy: LanePolicy) {
    this.#table = table
    this.#session = session
    this.#policy = policy
  }

  /** True when connections may be lent without the coordinator, as things are now. */
  get isOpen(): boolean {
    return mayLend(this.#table.flags, this.peeks)
  }

  /** True when a checkout and its return need no message, as things are now. */
  get isQuick(): boolean {
    return this.isOpen && this.#table.has(tableFlag.fastCheckin)
  }

  /** True when `claim()` would find something. */
  mayClaim(unwantedAt: number | undefined): boolean {
    return this.isOpen && !othersWait(this.#table, this.#session) && this.#nextIdle(unwantedAt) !== -1
  }

  /** Claims the idle slot whose turn it is, unless others wait: whoever comes while they do stands behind them (no barging). `unwantedAt`: none that is wanted by another at that time. */
  claim(unwantedAt?: number): number {
    return othersWait(this.#table, this.#session) ? 0 : this.take(unwantedAt)
  }

  /** The same for a thread whose turn it is: whoever else waits stands behind it. */
  take(unwantedAt?: number): number {
    if (!this.isOpen) return 0
    for (;;) {
      const slot = this.#nextIdle(unwantedAt)
      if (slot === -1) return 0
      // From just the word that was read before the slot was found fit: another thread may have been faster, then we look again.
      const lent = this.#table.step(slot, this.#nextWord, 'leased', this.#session)
      if (lent !== -1) return leaseId(slot, lent)
    }
  }

  /** An offer of the coordinator becomes a lease; until then the coordinator can take it back. 0: it has. */
  accept(offer: number): number {
    const slot = slotOfLease(offer)
    const lent = this.#relend(slot, offer)
    if (lent !== 0) this.#table.unmark(slot, slotFlag.offered)
    return lent
  }

  /** Ends a lease and begins the next one of the same slot, for another caller of this thread; 0: it may not be, and nothing was done. */
  handOn(lease: number): number {
    const slot = slotOfLease(lease)
    if (!this.isOpen || !this.#mayReturn(slot) || !this.#isFresh(slot)) return 0
    if (!mayKeep(this.#table, this.#session, this.#handOvers)) {
      this.#handOvers = 0
      return 0
    }
    this.#handOvers++
    return this.#relend(slot, lease)
  }

  /** Ends a lease; see `Returned`. */
  release(lease: number): Returned {
    const table = this.#table
    const slot = slotOfLease(lease)
    if (table.word(slot) !== wordOfLease(lease)) return 'ended'
    if (table.has(tableFlag.overflowing) || !this.#mayReturn(slot)) return 'slow'
    table.stampReturn(slot)
    const idle = table.step(slot, wordOfLease(lease), 'idle')
    if (idle === -1) return 'ended'
    this.#left[slot] = idle
    // Idle first, then who waits: who waits does it the other way round, so one of the two sees the other. The same
    // holds for a `dispose()`, which marks first and then closes what is idle.
    if (table.isMarked(slot, slotFlag.retiring)) return 'awaited'
    const next = nextInTurn(table, this.#session)
    if (next === -1) return 'home'
    if (!this.#mayRing(next) || !this.#isFresh(slot)) return 'awaited'
    table.sessions.bells.ring(next)
    return 'home'
  }

  /**
   * For a thread that waits, or waits no more, where connections are idle: whoever left them there may have seen nobody. Rings for
   * as many as nobody has been rung for. False: there is something besides that only the coordinator can give.
   */
  ringForIdle(): boolean {
    const table = this.#table
    let left = -spokenFor(table)
    let isAllSaid = true
    for (let slot = 0, slots = table.capacity; slot < slots; slot++) {
      const word = table.word(slot)
      if (isIdle(word) && this.#isFresh(slot)) left++
      else if (!isTaken(word) || this.#isNeedless(slot, word)) isAllSaid = false
    }
    for (; left > 0; left--) {
      const next = nextInTurn(table)
      if (next === -1) break
      if (!this.#mayRing(next)) return false
      table.sessions.bells.ring(next)
    }
    return isAllSaid
  }

  /** A lease that nobody has used, back to where it came from, and whatever is the matter with it: somebody else will see to that. */
  putBack(lease: number): void {
    const slot = slotOfLease(lease)
    this.#table.stampReturn(slot)
    this.#table.step(slot, wordOfLease(lease), 'idle')
  }

  /** True when that thread could take it, as things are now. The coordinator's own is told by a message. */
  #mayRing(session: number): boolean {
    const { flags, sessions } = this.#table
    return session !== 0 && mayLend(flags, sessions.isDirect(session))
  }

  /** On offer to a thread in which nobody waits, and which may be asleep. */
  #isNeedless(slot: number, word: number): boolean {
    return isOnOffer(this.#table, slot, word) && this.#table.sessions.waiting(sessionOf(word)) === 0
  }

  #relend(slot: number, lease: number): number {
    const lent = this.#table.step(slot, wordOfLease(lease), 'leased')
    return lent === -1 ? 0 : leaseId(slot, lent)
  }

  #mayReturn(slot: number): boolean {
    const quick = tableFlag.fastCheckin | tableFlag.watched
    return (this.#table.flags & quick) === tableFlag.fastCheckin && !this.#table.isMarked(slot, needsCoordinator)
  }

  /**
   * What this thread was the last to hold comes first, in the pool's order: it is wired up here and nowhere else, and a
   * connection that goes from thread to thread wakes the one that has left it.
   */
  #nextIdle(unwantedAt: number | undefined): number {
    const table = this.#table
    const { useLifo } = this.#policy
    let next = -1
    let isNextOurs = false
    for (let slot = 0, slots = table.capacity; slot < slots; slot++) {
      const word = table.word(slot)
      if (!isIdle(word) || !this.#isFresh(slot)) continue
      const isOurs = word === this.#left[slot]
      if (unwantedAt !== undefined && !isOurs && table.isWanted(slot, unwantedAt)) continue
      const isBetter =
        next === -1 || (isOurs === isNextOurs ? table.compareReturns(slot, next) > 0 === useLifo : isOurs)
      if (!isBetter) continue
      next = slot
      isNextOurs = isOurs
      this.#nextWord = word
    }
    return next
  }

  #isFresh(slot: number): boolean {
    const { recycleMs } = this.#policy
    if (!this.#table.isFresh(slot)) return false
    return recycleMs < 0 || monotonicMs() - this.#table.openedAt(slot) <= recycleMs
  }
}
