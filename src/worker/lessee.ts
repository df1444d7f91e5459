import { Chain } from '../base/chain.ts'
import { monotonicMs } from '../base/clock.ts'
import { within } from '../base/deadlines.ts'
import { TimeoutError } from '../base/errors.ts'
import type { Patience } from '../base/patience.ts'
import type { Lane } from '../dialects/lane.ts'
import { kind, type Welcome } from '../protocol/messages.ts'
import { anyoneWaits, othersWait } from '../slots/fair-share.ts'
import { FastLane } from '../slots/fast-lane.ts'
import { fullQueue } from '../slots/full-queue.ts'
import { slotFlag } from '../slots/layout.ts'
import { isAnyOffered, placesInUse } from '../slots/places.ts'
import type { SlotTable } from '../slots/slot-table.ts'
import { slotOfLease, wordOfLease } from '../slots/state.ts'
import type { RemoteCaller } from '../transports/remote-caller.ts'
import { Arrival, type Waiter } from './arrival.ts'
import { Bell, type BellOwner } from './bell.ts'

/** How long the coordinator may take to say more about a timeout than this thread knows. */
const graceMs = 100

/**
 * This thread as one that leases. It claims what is idle; where nothing is, its callers stand in one queue, first come, first
 * served, and it asks the coordinator for one more lease at a time, or for as many as there are places free.
 *
 * An ask is anonymous: it is for whoever is first when it is granted. It stands until it is granted, refused or found needless,
 * while the queue may fill and empty: whether anybody waits is said in the table, not by messages. While it stands, threads that
 * return what they have had ring for this one when it is its turn, and it claims that by itself: the coordinator is not needed.
 */
export class Lessee implements BellOwner {
  readonly #table: SlotTable
  readonly #caller: RemoteCaller
  readonly #welcome: Welcome
  readonly #lane: FastLane
  readonly #bell: Bell
  /** In the order of their arrival. */
  readonly #waiters = new Chain<Arrival>()
  /** By number, in the order of asking. */
  readonly #asks = new Set<number>()
  #lastAsk = 0
  #alsoWaiting = 0

  constructor(table: SlotTable, caller: RemoteCaller, welcome: Welcome) {
    this.#table = table
    this.#caller = caller
    this.#welcome = welcome
    this.#lane = new FastLane(table, welcome.session, welcome)
    this.#bell = new Bell(table.sessions.bells, welcome.session, this)
  }

  /** A lease at once, or 0. Whoever comes while others wait stands behind them. `unwantedAt`: see `FastLane`. */
  claim(unwantedAt?: number): number {
    return this.#waiters.size === 0 && this.#caller.lost === undefined ? this.#claimIdle(unwantedAt) : 0
  }

  /** True when `claim()` would find something. */
  mayClaim(unwantedAt: number | undefined): boolean {
    return this.#waiters.size === 0 && this.#lane.mayClaim(unwantedAt)
  }

  /** True when a checkout and its return need no message, as things are now. */
  get isQuick(): boolean {
    return this.#lane.isQuick
  }

  /** How many callers stand in the queue. */
  get waiting(): number {
    return this.#waiters.size
  }

  /** Connections have come free for so many of this thread's callers. It takes any: which it was rung for does not matter. */
  rung(turns: number): void {
    let left = turns
    for (; left > 0 && this.waiting > 0; left--) {
      const lease = this.#opened(this.#lane.take())
      if (lease === 0) break
      this.#serve(lease)
    }
    // Somebody else has taken it; or nobody wants it here any more; or it is not what a thread may take.
    if (left > 0 && anyoneWaits(this.#table)) this.#seeToIdle()
  }

  /** Who came last. */
  get youngest(): Arrival | undefined {
    let youngest: Arrival | undefined
    for (const arrival of this.#waiters) youngest = arrival
    return youngest
  }

  /** This caller fails, and leaves the queue. */
  fail(arrival: Arrival, error: unknown): void {
    const ask = this.#askOf(arrival)
    arrival.waiter.fail(error)
    this.#leave(arrival, ask)
  }

  /** So many more wait in this thread who do not stand in the queue. */
  alsoWait(count: number): void {
    this.#alsoWaiting = count
    this.#counted()
  }

  /** Stands in the queue until it is this caller's turn. It fails when patience ends, when opening fails, when the coordinator is lost. */
  wait(waiter: Waiter, patience: Patience, isBounded: 'unless too many do' | 'anyway' = 'anyway'): void {
    const { lost } = this.#caller
    if (lost) return waiter.fail(lost)
    const at = this.#welcome.detectDeadlocks ? monotonicMs() : 0
    const arrival = new Arrival(waiter, this.#lastAsk, this.#table.invalidation, at, this.#table.sessions.arrive())
    patience.watch(reason => {
      const ask = this.#askOf(arrival)
      // Before the ask is withdrawn: the coordinator knows how far it has come with it.
      if (reason instanceof TimeoutError) this.explain(reason, 'connect', ask).then(waiter.fail)
      else waiter.fail(reason)
      this.#leave(arrival, ask)
    })
    this.#waiters.add(arrival)
    this.#counted()
    // Waiting first, then the slots once more: who returns a connection does it the other way round. A new ask makes the
    // coordinator look.
    const isAsked = this.#asks.size > 0
    const lease = isAsked ? this.#claimIdle() : 0
    if (lease !== 0) this.#serve(lease)
    const full = isBounded === 'anyway' || !this.#waiters.has(arrival) ? undefined : this.#full
    if (full) {
      this.#remove(arrival)
      return waiter.fail(full)
    }
    // The coordinator has looked at an ask that stood while nobody waited here, and won't by itself look again at what this
    // thread may not take: a connection that is idle but spent, or has to be seen, or that two threads leave to each other.
    if (lease === 0 && isAsked && this.#waiters.size === 1) this.#seeToIdle()
    this.#askForMore()
    this.#bell.listen()
  }

  /** This thread looks at connections itself before it lends them. */
  peeks(): void {
    this.#lane.peeks = true
  }

  /**
   * Ends a lease without a message if that is possible: it goes on to the next caller of this thread, or comes home. Before it
   * leaves this thread, this thread stops reading from it.
   */
  giveBack(lease: number, lane?: Lane): boolean {
    const next = this.#waiters.size > 0 ? this.#lane.handOn(lease) : 0
    if (next !== 0) {
      lane?.changeHands()
      this.#serve(next)
      return true
    }
    lane?.rest()
    const returned = this.#lane.release(lease)
    if (returned === 'awaited') this.#caller.tell([kind.freed])
    return returned !== 'slow'
  }

  /** A lease whose connection was found dead before anybody had it: the coordinator replaces it for whoever is next. */
  discard(lease: number): void {
    const slot = slotOfLease(lease)
    // Somebody else may have ended this lease already, and then the slot is no business of ours.
    if (this.#table.word(slot) !== wordOfLease(lease)) return
    this.#table.mark(slot, slotFlag.lost)
    this.#lane.putBack(lease)
    this.#caller.tell([kind.freed])
  }

  /** The coordinator has granted an ask. An offer becomes a lease only now, for it may have been taken back meanwhile. */
  granted(ask: number, granted: number, isOffer: boolean): void {
    const isAsked = this.#asks.delete(ask)
    const lease = isOffer ? this.#lane.accept(granted) : granted
    if (lease !== 0) {
      if (isAsked && this.#mayServe(ask, lease)) this.#serve(lease)
      else if (!this.giveBack(lease)) this.#caller.tell([kind.end, 0, lease, 'closed'])
    }
    this.#askForMore()
  }

  /** The coordinator could not grant an ask: it is the first caller's failure. */
  refused(ask: number, error: unknown): void {
    if (!this.#asks.delete(ask)) return
    const { first } = this.#waiters
    if (first) {
      this.#remove(first)
      first.waiter.fail(error)
    }
    this.#askForMore()
  }

  /** The coordinator has found an ask needless, as nobody waited here at that moment. */
  dismissed(ask: number): void {
    this.#asks.delete(ask)
    this.#askForMore()
  }

  /** Nothing will be granted any more. */
  lose(error: unknown): void {
    this.#bell.end()
    this.#asks.clear()
    for (const arrival of [...this.#waiters]) {
      this.#remove(arrival)
      arrival.waiter.fail(error)
    }
  }

  get #full(): Error | undefined {
    return fullQueue(this.#table, this.#welcome.session, this.#welcome, 'connect')
  }

  #claimIdle(unwantedAt?: number): number {
    return this.#opened(this.#lane.claim(unwantedAt))
  }

  /** 0: shared no more, and about to be told; the coordinator finds this slot and takes it back. */
  #opened(lease: number): number {
    return lease === 0 || this.#table.sessions.isOpen(this.#welcome.session) ? lease : 0
  }

  /** What lies idle while somebody waits goes to whose turn it is, by a ring, or by the coordinator where that is not enough. */
  #seeToIdle(): void {
    if (!this.#lane.ringForIdle()) this.#caller.tell([kind.freed])
  }

  /**
   * An ask that is older than the first caller may have been granted before it came, and what was granted condemned since: whoever
   * comes after an invalidation or a dispose gets nothing from before it. What is granted to a later ask is as good as any.
   */
  #mayServe(ask: number, lease: number): boolean {
    const { first } = this.#waiters
    if (first === undefined) return false
    return ask > first.lastAsk || this.#table.isFresh(slotOfLease(lease), first.invalidation)
  }

  #serve(lease: number): void {
    const first = this.#waiters.first!
    this.#remove(first)
    first.waiter.grant(lease)
    // Connections may be on offer to this thread that it has just stopped to need, as it has said in the table, while others wait.
    const { session } = this.#welcome
    const isOffered = this.#waiters.size === 0 && this.#asks.size > 0 && isAnyOffered(this.#table, session)
    if (isOffered && othersWait(this.#table, session)) this.#caller.tell([kind.freed])
  }

  #askForMore(): void {
    if (this.#asks.size >= this.#waiters.size) return
    const wanted = this.#wanted()
    while (this.#asks.size < wanted) {
      const id = this.#caller.nextId()
      this.#asks.add(id)
      this.#lastAsk = id
      this.#caller.tell([kind.ask, id])
    }
  }

  /** Where others hold what this thread waits for, one more lease at a time is its fair share. */
  #wanted(): number {
    const waiting = this.#waiters.size
    if (waiting <= 1 || !this.#lane.isOpen || this.#welcome.limit === null) return waiting
    // What is being opened for stands in no queue.
    const served = this.#table.sessions.served(this.#welcome.session)
    return Math.min(waiting, served + Math.max(1, this.#welcome.limit - placesInUse(this.#table)))
  }

  /** The caller has given up. If that makes an ask needless, it is withdrawn: it may hang in what nobody has patience for. */
  #leave(arrival: Arrival, ask: number): void {
    this.#remove(arrival)
    if (this.#asks.size > this.#wanted() && this.#asks.delete(ask)) this.#caller.tell([kind.leave, ask])
  }

  /** The ask that would be this caller's, if asks were granted in order. */
  #askOf(arrival: Arrival): number {
    const asks = [...this.#asks]
    return asks[Math.min([...this.#waiters].indexOf(arrival), asks.length - 1)] ?? 0
  }

  #remove(arrival: Arrival): void {
    this.#waiters.delete(arrival)
    this.#counted()
  }

  #counted(): void {
    const { size, first } = this.#waiters
    if (first) this.#table.sessions.setSince(this.#welcome.session, first.number)
    this.#table.sessions.setWaiting(this.#welcome.session, size + this.#alsoWaiting, size)
    if (size <= 1) this.#caller.keepAlive('waiters', size > 0)
  }

  /** What the coordinator knows of a timeout: above all the last failure to connect. */
  async explain(error: TimeoutError, verb: 'connect' | 'query', ask = 0): Promise<unknown> {
    const answer = this.#caller.ask(id => [kind.late, id, error.timeoutMs, ask, verb])
    return within(answer, graceMs, () => error).catch((explained: unknown) => explained)
  }
}
