import { Chain, Link } from '../base/chain.ts'
import { turnMs } from '../base/clock.ts'
import { InvalidRequestError } from '../base/errors.ts'
import type { LoanEnd } from '../fairies/loan.ts'
import { slowMs } from './pace.ts'
import type { Statement, StatementPlace } from './statement.ts'
import type { StatementLine } from './statement-line.ts'

/** What a lease tells who holds it. */
export interface StatementLeaseOwner {
  /** A statement was answered, `ms` after the one before it on this connection. */
  paced(text: string, ms: number): void
  /** What it was given was never sent, and waits again. */
  again(statement: Statement): void
  /** It may take more; or it must be ended, if nothing is in flight. */
  ready(lease: StatementLease): void
  /** The connection was taken away, by its loss or an invalidation: what was in flight has failed or will. */
  lost(lease: StatementLease): void
}

/**
 * A loan over which statements of many callers go: several in flight where the line can pipeline, else one, and then the loan
 * is over. To the pool it is a loan like any other.
 */
export class StatementLease extends Link implements StatementPlace {
  readonly #line: StatementLine
  readonly #owner: StatementLeaseOwner
  readonly #inFlight = new Chain<Statement>()
  /** When the connection last answered, or got something to do while it had nothing. */
  #heardAt = 0
  /** `alone`: what is in flight is slow, and must have nothing behind it. `cancelling`: a cancel is under way, which must hit nothing else. */
  #state: 'open' | 'alone' | 'cancelling' | 'ended' = 'open'

  constructor(line: StatementLine, owner: StatementLeaseOwner) {
    super()
    this.#line = line
    this.#owner = owner
    line.onEnd = reason => this.#ended(reason)
  }

  get line(): StatementLine {
    return this.#line
  }

  get inFlight(): number {
    return this.#inFlight.size
  }

  /** True when it may take another turn once it is free; else it must go home. */
  get isReusable(): boolean {
    return this.#line.isPipelined && !this.#line.isSpent
  }

  /** True when what is in flight has been silent for so long, or is known to be slow: it will not soon be free. */
  isStuck(now: number): boolean {
    return this.#state !== 'open' || now - this.#heardAt >= slowMs
  }

  /** True when one more may be put behind what is in flight. */
  mayTake(depth: number, now: number): boolean {
    if (this.#state !== 'open' || this.#line.isSpent) return false
    const { size } = this.#inFlight
    if (size === 0) return true
    return size < depth && this.#line.isPipelined && now - this.#heardAt < slowMs
  }

  /** Sends a statement. `alone`: nothing is in flight, and nothing is to be put behind it. */
  send(statement: Statement, manner: 'among others' | 'alone'): void {
    if (this.#inFlight.size === 0) this.#heardAt = turnMs()
    if (manner === 'alone') this.#state = 'alone'
    this.#inFlight.add(statement)
    statement.sent(this)
    this.#line.statement = statement.text
    this.#line.send(statement.args, statement)
  }

  /** The caller of a statement in flight has left. Cancelled at the server only where it can't hit another's. */
  left(statement: Statement): void {
    const { stop } = this.#line
    const isAlone = this.#inFlight.size === 1 && this.#inFlight.first === statement
    if (!isAlone || stop === undefined || this.#state === 'cancelling' || this.#state === 'ended') return
    void this.#cancel(stop)
  }

  answered(statement: Statement): void {
    // Cut off already.
    if (!this.#inFlight.delete(statement) || this.#state === 'ended') return
    const now = turnMs()
    const ms = now - this.#heardAt
    this.#heardAt = now
    this.#owner.paced(statement.text, ms)
    if (this.#state === 'alone') this.#state = 'open'
    if (this.#state === 'open') this.#owner.ready(this)
  }

  unsent(statement: Statement): void {
    this.#inFlight.delete(statement)
    if (this.#state === 'alone') this.#state = 'open'
    if (this.#state === 'open') this.#owner.ready(this)
    // Only now: some pools lend one at a time.
    this.#owner.again(statement)
  }

  /** Nothing is in flight: the connection goes home. */
  end(): void {
    this.#state = 'ended'
    this.#line.end()
  }

  /** Nobody will hear of what is in flight: its callers are told so. */
  cutOff(error: Error): void {
    this.#state = 'ended'
    for (const statement of this.#inFlight) {
      this.#inFlight.delete(statement)
      statement.fail(error)
    }
  }

  /** Somebody else has ended the loan. What the driver does not fail by itself is told here, so that nobody waits for ever. */
  #ended(reason: LoanEnd): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#owner.lost(this)
    if (this.#inFlight.size === 0) return
    const error = new InvalidRequestError(`The connection was ${reason} while the statement was in flight.`)
    setImmediate(() => this.cutOff(error))
  }

  /** Never reused before the cancel has come to its end: it would hit whoever comes next. */
  async #cancel(stop: () => Promise<void>): Promise<void> {
    this.#state = 'cancelling'
    try {
      await stop()
    } catch (error) {
      return this.#line.invalidate(error)
    }
    if (this.#state !== 'cancelling') return
    this.#state = 'open'
    this.#owner.ready(this)
  }
}
