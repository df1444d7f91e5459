import { Chain } from '../base/chain.ts'
import { turnMs } from '../base/clock.ts'
import { type Deadline, deadlines } from '../base/deadlines.ts'
import type { TimeoutError } from '../base/errors.ts'
import { Pace, slowMs } from './pace.ts'
import type { Statement, StatementPlace } from './statement.ts'
import { StatementLease, type StatementLeaseOwner } from './statement-lease.ts'
import type { StatementLine } from './statement-line.ts'
import { StatementQueue } from './statement-queue.ts'
import { isLine, type StatementAsk, type StatementAsker, type StatementSource } from './statement-source.ts'

/** So long no more connections are asked for when one could not be opened and others do the work. */
const holdOffMs = 100

/**
 * Where statements wait, and which connection each goes over: those of this thread, and on the coordinator also those of the
 * threads that send theirs there. It takes what is idle, asks for more when all that it has is busy, and holds nothing when it
 * has nothing to do.
 *
 * Whoever waits in `connect()` with as good a claim comes first: as long as there is one, nothing more is put on a connection,
 * so one after another comes home. What this is granted when its own turn in the pool's queue has come, it uses for one turn
 * at least: as many statements as may be in flight. So neither starves the other.
 */
export class StatementDispatch implements StatementPlace, StatementLeaseOwner, StatementAsker {
  readonly #source: StatementSource
  readonly #pace = new Pace()
  readonly #quick = new StatementQueue()
  /** Those whose text was slow the last time: each gets a connection with nothing behind it, so that it holds up nobody. */
  readonly #slow = new StatementQueue()
  readonly #leases = new Chain<StatementLease>()
  /** What has been asked for, each with the statement that was next then: a failure to open is its failure. */
  readonly #asks = new Map<StatementAsk, Statement>()
  /** Where both kinds wait they take turns. */
  #turn: 'quick' | 'slow' = 'quick'
  #holdOff: Deadline | undefined
  #look: Deadline | undefined

  constructor(source: StatementSource) {
    this.#source = source
  }

  /** How many statements wait that no ask in line stands for. */
  get waiting(): number {
    return Math.max(0, this.#waiting - this.#inLine)
  }

  /** Sends a statement, at once or when it is its turn. One that comes `again` has been let in already. */
  add(statement: Statement, comes: 'first' | 'again' = 'first'): void {
    const isSlow = this.#pace.isSlow(statement.text)
    // As nobody waits, and nothing is idle, it can only go behind others.
    if (!isSlow && this.#waiting === 0 && !this.#source.isAnyIdle(this.#leases.size)) {
      const lease = this.#leastBusy()
      if (lease) return lease.send(statement, 'among others')
    }
    const queue = isSlow ? this.#slow : this.#quick
    queue.add(statement)
    this.#serve()
    if (!statement.isWaiting) return
    statement.waits(this, waitMs => this.timeoutError(waitMs))
    const full = comes === 'first' ? this.#source.full() : undefined
    if (full) return statement.leave(full)
    // It may wait for a connection that is being opened, but not for a place.
    if (statement.waitMs === 0 && this.#asks.size === this.#inLine) statement.leave(this.timeoutError(0))
  }

  /** The connections that it has now. */
  *lines(): Generator<StatementLine, void> {
    for (const { line } of this.#leases) yield line
  }

  /** What is said of a statement that has waited too long. */
  timeoutError(timeoutMs: number): TimeoutError {
    return this.#source.timeoutError(timeoutMs)
  }

  /** The caller of a statement that waits has left. */
  left(statement: Statement): void {
    if (this.#quick.delete(statement) || this.#slow.delete(statement)) this.#settle()
  }

  /** Takes out all that wait: they go another way. */
  takeWaiting(): Statement[] {
    const taken: Statement[] = []
    for (const queue of [this.#quick, this.#slow]) while (queue.size > 0) taken.push(queue.take()!)
    this.#settle()
    return taken
  }

  /** No connection will come any more, and those that are here are gone. */
  lose(error: Error): void {
    for (const statement of this.takeWaiting()) statement.fail(error)
    for (const lease of this.#leases) {
      this.#leases.delete(lease)
      lease.cutOff(error)
    }
  }

  again(statement: Statement): void {
    this.add(statement, 'again')
  }

  paced(text: string, ms: number): void {
    this.#pace.note(text, ms)
  }

  ready(lease: StatementLease): void {
    if (lease.inFlight > 0) {
      if (this.#waiting > 0) this.#serve()
      return
    }
    if (lease.isReusable && !this.#othersWait && this.#fill(lease)) return this.#settle()
    this.#leases.delete(lease)
    lease.end()
    this.#gone()
  }

  lost(lease: StatementLease): void {
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
    while (this.#asks.size < this.#waiting && this.#source.isAnyIdle(this.#leases.size)) {
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
    this.#settle()
  }

  /** Fewer wait, or more: what is asked for, and what is said of it, is to be as they are. */
  #settle(): void {
    this.#withdraw()
    this.#lookAgain()
    this.#source.waiting(this.waiting, this.#asks.size - this.#inLine)
  }

  /** What is in flight may be silent from now on, and then nothing else makes this look at what waits. */
  #lookAgain(): void {
    const mayBeLeft = this.#waiting > 0 && this.#asks.size === 0 && this.#holdOff === undefined
    if (!mayBeLeft || this.#look !== undefined || !this.#source.mayAsk(this.#leases.size, true)) return
    this.#look = deadlines.arm(slowMs, () => {
      this.#look = undefined
      this.#serve()
    })
  }

  /** The lease with the fewest in flight, of those that may take one more. */
  #leastBusy(): StatementLease | undefined {
    if (this.#othersWait || this.#slowNeedsRoom) return undefined
    const { depth } = this.#pace
    const now = turnMs()
    let least: StatementLease | undefined
    for (const lease of this.#leases) {
      if (least !== undefined && lease.inFlight >= least.inFlight) continue
      if (lease.mayTake(depth, now)) least = lease
    }
    return least
  }

  /** A turn of a lease that is free: a slow statement, or as many quick ones as may be in flight. False: nothing waits. */
  #fill(lease: StatementLease): boolean {
    if (this.#waiting === 0) return false
    this.#sendNext(lease)
    const { depth } = this.#pace
    const now = turnMs()
    while (lease.mayTake(depth, now)) {
      const statement = this.#quick.take() ?? this.#takeQuickened()
      if (statement === undefined) break
      lease.send(statement, 'among others')
    }
    return true
  }

  /** One that has waited as slow, and whose text was quick since. */
  #takeQuickened(): Statement | undefined {
    const { first } = this.#slow
    return first === undefined || this.#pace.isSlow(first.text) ? undefined : this.#slow.take()
  }

  #sendNext(lease: StatementLease): void {
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
    while (this.#asks.size < most && this.#waiting > 0 && this.#inLine === 0 && this.#mayAsk) {
      const lease = this.#ask()
      if (lease) this.#fill(lease)
    }
  }

  /** A connection, where one can be had at once; else it is asked for, and is used when it comes. */
  #ask(): StatementLease | undefined {
    const next = this.#slow.first ?? this.#quick.first!
    const taken = this.#source.ask(this, this.#leases.size)
    if (isLine(taken)) return this.#begin(taken)
    this.#asks.set(taken, next)
    return undefined
  }

  #begin(line: StatementLine): StatementLease {
    const lease = new StatementLease(line, this)
    this.#leases.add(lease)
    return lease
  }

  /** Its turn, whoever waits by now: it has waited as well. */
  granted(ask: StatementAsk, line: StatementLine): void {
    this.#asks.delete(ask)
    const lease = this.#begin(line)
    if (this.#fill(lease)) this.#serve()
    else this.ready(lease)
  }

  refused(ask: StatementAsk, error: unknown): void {
    const statement = this.#asks.get(ask)
    if (statement === undefined) return
    this.#asks.delete(ask)
    // What there is will do; and a server that refuses more connections must not be asked at every answer.
    if (this.#leases.size > 0) this.#holdOff = deadlines.arm(holdOffMs, () => this.#openAgain())
    else if (this.#quick.delete(statement) || this.#slow.delete(statement)) statement.fail(error)
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
    this.#look?.cancel()
    this.#look = undefined
    const asks = [...this.#asks.keys()]
    this.#asks.clear()
    for (const ask of asks) ask.withdraw()
  }

  get #waiting(): number {
    return this.#quick.size + this.#slow.size
  }

  /** Of the asks, those that wait for a place, and not for a connection that is being opened or examined. */
  get #inLine(): number {
    let inLine = 0
    for (const { isInLine } of this.#asks.keys()) if (isInLine) inLine++
    return inLine
  }

  get #othersWait(): boolean {
    return this.#source.othersWait(this.#inLine)
  }

  /** A slow one needs a connection with nothing in flight, and none is being opened. */
  get #slowNeedsRoom(): boolean {
    return this.#slow.size > 0 && this.#asks.size === this.#inLine
  }

  get #mayAsk(): boolean {
    return this.#source.mayAsk(this.#leases.size, this.#isStuck)
  }

  get #isStuck(): boolean {
    if (this.#slow.size > 0) return true
    const now = turnMs()
    for (const lease of this.#leases) if (!lease.isStuck(now)) return false
    return true
  }
}
