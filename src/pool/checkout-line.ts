import { turnMs } from '../base/clock.ts'
import { InvalidRequestError, noAnswerToCancel } from '../base/errors.ts'
import { ignore } from '../base/maybe-async.ts'
import type { Outcome, Pipeline } from '../dialects/dialect.ts'
import { started } from '../fairies/calls.ts'
import type { LoanEnd } from '../fairies/loan.ts'
import { slotFlag } from '../slots/layout.ts'
import type { StatementLine } from '../statements/statement-line.ts'
import type { Checkout } from './checkout.ts'
import type { Pool } from './pool.ts'

/** A checkout, as the statements see it that the coordinator's thread runs. */
export class CheckoutLine<C extends object> implements StatementLine {
  readonly #pool: Pool<C>
  readonly #checkout: Checkout<C>
  readonly #pipeline: Pipeline | undefined
  readonly stop: (() => Promise<void>) | undefined

  constructor(pool: Pool<C>, checkout: Checkout<C>) {
    const { isSeat } = checkout.tenure
    this.#pool = pool
    this.#checkout = checkout
    pool.slots.mark(checkout.tenure.slot, slotFlag.statements)
    checkout.noteSince(turnMs())
    // Where several hold the connection, they would meet it in a mode that is not theirs, and what is stopped might be another's.
    this.#pipeline = isSeat ? undefined : pool.dialect.pipeline?.(checkout.connection!)
    this.stop = isSeat || pool.dialect.cancel === undefined ? undefined : () => this.#stop()
  }

  set onEnd(told: (reason: LoanEnd) => void) {
    this.#checkout.onEnd = told
  }

  get lease(): number {
    return this.#checkout.lease
  }

  get statement(): string | undefined {
    return this.#checkout.statement
  }

  set statement(text: string | undefined) {
    this.#checkout.statement = text
  }

  get isPipelined(): boolean {
    return this.#pipeline !== undefined
  }

  get isSpent(): boolean {
    const record = this.#pool.records.at(this.#checkout.tenure.slot)
    if (record === undefined || record.connection !== this.#checkout.connection) return true
    return record.isRetiring || record.staleness !== undefined
  }

  send(args: readonly unknown[], done: Outcome): void {
    const pipeline = this.#pipeline
    if (pipeline === undefined) return this.#call(args, done)
    this.#checkout.calls.start(told => {
      pipeline.send(args, told)
      return started
    }, done)
  }

  invalidate(error: unknown): void {
    this.#checkout.invalidate(error, false).catch(ignore)
  }

  end(): void {
    this.#pipeline?.end()
    if (this.#checkout.isValid) this.#pool.slots.unmark(this.#checkout.tenure.slot, slotFlag.statements)
    const ended = this.#checkout.end('closed')
    if (ended instanceof Promise) ended.catch(ignore)
  }

  #call(args: readonly unknown[], done: Outcome): void {
    const connection = this.#checkout.connection!
    if (typeof Reflect.get(connection, 'query') === 'function') {
      return this.#checkout.call(connection, 'query', args, done)
    }
    done.reject(new InvalidRequestError("The driver's connection has no method 'query': use connect()."))
  }

  #stop(): Promise<void> {
    const { dialect, settings } = this.#pool
    const { closeTimeoutMs } = settings
    const connection = this.#checkout.connection!
    const late = noAnswerToCancel(closeTimeoutMs)
    return this.#checkout.calls.cancel(() => dialect.cancel!(connection), closeTimeoutMs, late)
  }
}
