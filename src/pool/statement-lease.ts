import { monotonicMs } from '../base/clock.ts'
import { InvalidRequestError, TimeoutError } from '../base/errors.ts'
import { ignore } from '../base/maybe-async.ts'
import type { Outcome, Pipeline } from '../dialects/dialect.ts'
import { started } from '../fairies/calls.ts'
import type { LoanEnd } from '../fairies/loan.ts'
import type { Checkout } from './checkout.ts'
import { slowMs } from './pace.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './statement.ts'

/** What a lease tells who holds it. */
export interface StatementLeaseOwner<C extends object> {
  /** A statement was answered, `ms` after the one before it on this connection. */
  answered(text: string, ms: number): void
  /** It may take more; or it must be ended, if nothing is in flight. */
  ready(lease: StatementLease<C>): void
  /** The connection was taken away, by its loss or an invalidation: what was in flight has failed or will. */
  lost(lease: StatementLease<C>): void
}

/**
 * A loan over which statements of many callers go: several in flight where the dialect can pipeline, else one, and then the loan
 * is over. To the pool it is a loan like any other.
 */
export class StatementLease<C extends object> {
  readonly #pool: Pool<C>
  readonly #checkout: Checkout<C>
  readonly #owner: StatementLeaseOwner<C>
  readonly #pipeline: Pipeline | undefined
  readonly #inFlight = new Set<Statement>()
  /** When the connection last answered, or got something to do while it had nothing. */
  #heardAt = 0
  /** `alone`: what is in flight is slow, and must have nothing behind it. `cancelling`: a cancel is under way, which must hit nothing else. */
  #state: 'open' | 'alone' | 'cancelling' | 'ended' = 'open'

  constructor(pool: Pool<C>, checkout: Checkout<C>, owner: StatementLeaseOwner<C>) {
    this.#pool = pool
    this.#checkout = checkout
    this.#owner = owner
    // Where several hold the connection, they would meet it in a mode that is not theirs.
    this.#pipeline = checkout.tenure.isSeat ? undefined : pool.dialect.pipeline?.(checkout.connection!)
    checkout.onEnd = reason => this.#ended(reason)
  }

  get inFlight(): number {
    return this.#inFlight.size
  }

  /** True when it may take another turn once it is free; else it must go home. */
  get isReusable(): boolean {
    return this.#pipeline !== undefined && !this.#isSpent
  }

  /** True when one more may be put behind what is in flight. */
  mayTake(depth: number, now: number): boolean {
    if (this.#state !== 'open' || this.#isSpent) return false
    const { size } = this.#inFlight
    if (size === 0) return true
    return this.#pipeline !== undefined && size < depth && now - this.#heardAt < slowMs
  }

  /** Sends a statement. `alone`: nothing is in flight, and nothing is to be put behind it. */
  send(statement: Statement, manner: 'among others' | 'alone'): void {
    if (this.#inFlight.size === 0) this.#heardAt = monotonicMs()
    if (manner === 'alone') this.#state = 'alone'
    this.#inFlight.add(statement)
    statement.sent(this)
    const outcome: Outcome = {
      resolve: value => {
        statement.resolve(value)
        this.#answered(statement)
      },
      reject: error => {
        statement.reject(error)
        this.#answered(statement)
      },
    }
    const pipeline = this.#pipeline
    if (pipeline === undefined) return this.#call(statement, outcome)
    this.#checkout.calls.start(told => {
      pipeline.send(statement.args, told)
      return started
    }, outcome)
  }

  /** The caller of a statement in flight has left. Cancelled at the server only where it can't hit another's. */
  left(statement: Statement): void {
    const { dialect } = this.#pool
    const isAlone = this.#inFlight.size === 1 && this.#inFlight.has(statement) && !this.#checkout.tenure.isSeat
    if (!isAlone || dialect.cancel === undefined || this.#state === 'cancelling' || this.#state === 'ended') return
    void this.#cancel(dialect.cancel.bind(dialect))
  }

  /** Nothing is in flight: the connection goes home. */
  end(): void {
    this.#state = 'ended'
    this.#pipeline?.end()
    const ended = this.#checkout.end('closed')
    if (ended instanceof Promise) ended.catch(ignore)
  }

  #call({ args }: Statement, outcome: Outcome): void {
    const connection = this.#checkout.connection!
    if (typeof Reflect.get(connection, 'query') === 'function') {
      return this.#checkout.call(connection, 'query', args, outcome)
    }
    outcome.reject(new InvalidRequestError("The driver's connection has no method 'query': use connect()."))
  }

  #answered(statement: Statement): void {
    // Cut off already.
    if (!this.#inFlight.delete(statement) || this.#state === 'ended') return
    const now = monotonicMs()
    const ms = now - this.#heardAt
    this.#heardAt = now
    this.#owner.answered(statement.text, ms)
    if (this.#state === 'alone') this.#state = 'open'
    if (this.#state === 'open') this.#owner.ready(this)
  }

  /** Somebody else has ended the loan. What the driver does not fail by itself is told here, so that nobody waits for ever. */
  #ended(reason: LoanEnd): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#owner.lost(this)
    if (this.#inFlight.size > 0) setImmediate(() => this.#cutOff(reason))
  }

  #cutOff(reason: LoanEnd): void {
    const error = new InvalidRequestError(`The connection was ${reason} while the statement was in flight.`)
    for (const statement of this.#inFlight) statement.reject(error)
    this.#inFlight.clear()
  }

  /** Never reused before the cancel has come to its end: it would hit whoever comes next. */
  async #cancel(stop: (connection: C) => Promise<void>): Promise<void> {
    this.#state = 'cancelling'
    const { closeTimeoutMs: timeoutMs } = this.#pool.settings
    const connection = this.#checkout.connection!
    const late = (): Error =>
      new TimeoutError(`No answer to a cancel within ${timeoutMs} ms.`, { phase: 'close', timeoutMs })
    try {
      await this.#checkout.calls.cancel(() => stop(connection), timeoutMs, late)
    } catch (error) {
      return this.#checkout.invalidate(error, false).catch(ignore)
    }
    if (this.#state !== 'cancelling') return
    this.#state = 'open'
    this.#owner.ready(this)
  }

  /** To be replaced before it is lent again: nothing more may be put on it, or it would never come home. */
  get #isSpent(): boolean {
    const record = this.#pool.records.at(this.#checkout.tenure.slot)
    if (record === undefined || record.connection !== this.#checkout.connection) return true
    return record.isRetiring || record.staleness !== undefined
  }
}
