import { threadId } from 'node:worker_threads'
import { monotonicMs } from '../base/clock.ts'
import { type Deadline, deadlines } from '../base/deadlines.ts'
import type { TimeoutError } from '../base/errors.ts'
import { ConnectionFairy } from '../fairies/fairy.ts'
import { mayKeep } from '../slots/fair-share.ts'
import type { Checkout } from './checkout.ts'
import { Pace } from './pace.ts'
import type { Pool } from './pool.ts'
import { type Borrower, CheckoutRequest, notNeeded } from './request.ts'
import type { Statement, StatementPlace } from './statement.ts'
import { StatementLease, type StatementLeaseOwner } from './statement-lease.ts'
import { StatementQueue } from './statement-queue.ts'

/** So long no more connections are asked for when one could not be opened and others do the work. */
const holdOffMs = 100

/**
 * Where the statements of all threads wait, and which connection each goes over. To the pool this is one borrower, of this
 * thread: it takes what is idle, asks for more when all that it has is busy, and holds nothing when it has nothing to do.
 *
 * Whoever waits in `connect()` with as good a claim comes first: as long as there is one, nothing more is put on a connection,
 * so one after another comes home. What this is granted when its own turn in the pool's queue has come, it uses for one turn
 * at least: as many statements as may be in flight. So neither starves the other.
 */
export class StatementDispatch<C extends object> implements StatementPlace, StatementLeaseOwner<C> {
  readonly #pool: Pool<C>
  readonly #borrower: Borrower = { session: 0, threadId }
  readonly #pace = new Pace()
  readonly #quick = new StatementQueue()
  /** Those whose text was slow the last time: each gets a connection with nothing behind it, so that it holds up nobody. */
  readonly #slow = new StatementQueue()
  readonly #leases = new Set<StatementLease<C>>()
  /** What has been asked for, each with the statement that was next then: a failure to open is its failure. */
  readonly #asks = new Map<CheckoutRequest<C>, Statement>()
  /** Where both kinds wait they take turns. */
  #turn: 'quick' | 'slow' = 'quick'
  #holdOff: Deadline | undefined

  constructor(pool: Pool<C>) {
    this.#pool = pool
  }

  /** How many statements wait that nobody stands for in the pool's own queue. */
  get waiting(): number {
    return Math.max(0, this.#waiting - this.#inLine)
  }

  /** Sends a statement, at once or when it is its turn. */
  add(statement: Statement): void {
    const queue = this.#pace.isSlow(statement.text) ? this.#slow : this.#quick
    queue.add(statement)
    this.#serve()
    if (!statement.isWaiting) return
    statement.waits(this, waitMs => this.timeoutError(waitMs))
    // It may wait for a connection that is being opened, but not for a place.
    if (statement.waitMs === 0 && this.#asks.size === this.#inLine) statement.leave(this.timeoutError(0))
  }

  /** What is said of a statement that has waited too long. */
  timeoutError(timeoutMs: number): TimeoutError {
    return this.#pool.timeoutError({ phase: 'wait', timeoutMs, verb: 'query' })
  }

  /** The caller of a statement that waits has left. */
  left(statement: Statement): void {
    if (this.#quick.delete(statement) || this.#slow.delete(statement)) this.#withdraw()
  }

  answered(text: string, ms: number): void {
    this.#pace.note(text, ms)
  }

  ready(lease: StatementLease<C>): void {
    if (lease.inFlight > 0) {
      if (this.#waiting > 0) this.#serve()
      return
    }
    if (lease.isReusable && !this.#othersWait && this.#fill(lease)) return
    this.#leases.delete(lease)
    lease.end()
    this.#gone()
  }

  lost(lease: StatementLease<C>): void {
    this.#leases.delete(lease)
    this.#gone()
  }

  /** One lease less. Where it was the last, whatever keeps the others waiting must be tried again, and be told if it fails. */
  #gone(): void {
    if (this.#waiting === 0) return
    if (this.#leases.size === 0) this.#openAgain()
    else this.#serve()
  }

  /** Whatever has happened, call it at the end: it looks at what waits and at what is free. */
  #serve(): void {
    // One each: whatever is idle is better than standing behind another statement.
    while (this.#asks.size < this.#waiting && this.#isAnyIdle) {
      const lease = this.#ask()
      if (lease === undefined) break
      this.#sendNext(lease)
    }
    this.#askFor(this.#slow.size)
    while (this.#quick.size > 0) {
      const lease = this.#leastBusy()
      if (lease === undefined) break
      lease.send(this.#quick.take()!, 'among others')
    }
    this.#askFor(this.#slow.size + Math.ceil(this.#quick.size / this.#pace.depth))
    this.#withdraw()
  }

  /** The lease with the fewest in flight, of those that may take one more. */
  #leastBusy(): StatementLease<C> | undefined {
    if (this.#othersWait || this.#slowNeedsRoom) return undefined
    const { depth } = this.#pace
    const now = monotonicMs()
    let least: StatementLease<C> | undefined
    for (const lease of this.#leases) {
      if (least !== undefined && lease.inFlight >= least.inFlight) continue
      if (lease.mayTake(depth, now)) least = lease
    }
    return least
  }

  /** A turn of a lease that is free: a slow statement, or as many quick ones as may be in flight. False: nothing waits. */
  #fill(lease: StatementLease<C>): boolean {
    if (this.#waiting === 0) return false
    this.#sendNext(lease)
    const { depth } = this.#pace
    const now = monotonicMs()
    while (this.#quick.size > 0 && lease.mayTake(depth, now)) lease.send(this.#quick.take()!, 'among others')
    return true
  }

  #sendNext(lease: StatementLease<C>): void {
    const isSlow = this.#slow.size > 0 && (this.#quick.size === 0 || this.#turn === 'slow')
    this.#turn = isSlow ? 'quick' : 'slow'
    const statement = (isSlow ? this.#slow : this.#quick).take()!
    lease.send(statement, this.#pace.isSlow(statement.text) ? 'alone' : 'among others')
  }

  /**
   * Asks for so many connections: no more at a time than there are already, so that a burst is worked off by some quick answers
   * and not by a crowd of connections; one where it has to stand in line; none where all there can be are here.
   */
  #askFor(wanted: number): void {
    const most = this.#holdOff ? 0 : Math.min(wanted, Math.max(1, this.#leases.size))
    while (this.#asks.size < most && this.#inLine === 0 && !this.#hasAll) {
      const lease = this.#ask()
      if (lease) this.#fill(lease)
    }
  }

  /** A connection, where one can be had at once; else it is asked for, and is used when it comes. */
  #ask(): StatementLease<C> | undefined {
    const options = {
      timeoutMs: null,
      fairyOver: (checkout: Checkout<C>) => ConnectionFairy.temporary<C>(checkout),
    }
    const request = new CheckoutRequest<C>(this.#borrower, options, late => this.#pool.timeoutError(late))
    const checkout = this.#pool.checkout(request)
    if (!(checkout instanceof Promise)) return this.#begin(checkout)
    this.#asks.set(request, this.#slow.first ?? this.#quick.first!)
    checkout.then(
      granted => this.#granted(request, granted),
      (error: unknown) => this.#refused(request, error),
    )
    return undefined
  }

  #begin(checkout: Checkout<C>): StatementLease<C> {
    const lease = new StatementLease(this.#pool, checkout, this)
    this.#leases.add(lease)
    return lease
  }

  /** Its turn, whoever waits by now: it has waited as well. */
  #granted(request: CheckoutRequest<C>, checkout: Checkout<C>): void {
    this.#asks.delete(request)
    const lease = this.#begin(checkout)
    if (this.#fill(lease)) this.#serve()
    else this.ready(lease)
  }

  #refused(request: CheckoutRequest<C>, error: unknown): void {
    const statement = this.#asks.get(request)!
    this.#asks.delete(request)
    if (error === notNeeded) return
    // What there is will do; and a server that refuses more connections must not be asked at every answer.
    if (this.#leases.size > 0) this.#holdOff = deadlines.arm(holdOffMs, () => this.#openAgain())
    else if (this.#quick.delete(statement) || this.#slow.delete(statement)) statement.reject(error)
    this.#serve()
  }

  #openAgain(): void {
    this.#holdOff?.cancel()
    this.#holdOff = undefined
    this.#serve()
  }

  /** Nothing waits any more: neither must anything be asked for. */
  #withdraw(): void {
    if (this.#waiting > 0) return
    this.#holdOff?.cancel()
    this.#holdOff = undefined
    for (const request of this.#asks.keys()) request.patience.leave(notNeeded)
  }

  get #waiting(): number {
    return this.#quick.size + this.#slow.size
  }

  /** Of the asks, those that wait for a place, and not for a connection that is being opened or examined. */
  get #inLine(): number {
    let inLine = 0
    for (const { phase } of this.#asks.keys()) if (phase === 'wait') inLine++
    return inLine
  }

  get #isAnyIdle(): boolean {
    if (this.#leases.size === this.#pool.records.size) return false
    for (const { state } of this.#pool.records) if (state === 'idle') return true
    return false
  }

  /** A caller of this thread that waits, or one of a thread that holds fewer connections than this: it comes first. */
  get #othersWait(): boolean {
    const { slots } = this.#pool
    if (slots.waiters === 0) return false
    return slots.sessions.waiting(0) > this.#inLine || !mayKeep(slots, 0, Number.POSITIVE_INFINITY)
  }

  /** A slow one needs a connection with nothing in flight, and none is being opened. */
  get #slowNeedsRoom(): boolean {
    return this.#slow.size > 0 && this.#asks.size === this.#inLine
  }

  get #hasAll(): boolean {
    const { poolSize, maxOverflow } = this.#pool.settings
    return maxOverflow >= 0 && this.#leases.size >= poolSize + maxOverflow
  }
}
