import type { TimeoutError } from '../base/errors.ts'
import type { Outcome } from '../dialects/dialect.ts'
import type { Borrower } from '../fairies/borrower.ts'
import { checkQuery, patienceWith, type QueryOptions, queryTimeout, waitOf } from '../fairies/query-options.ts'
import { Statement } from '../statements/statement.ts'
import { StatementDispatch } from '../statements/statement-dispatch.ts'
import { runAlone } from './lone-statement.ts'
import type { Pool } from './pool.ts'
import { PoolSource } from './pool-source.ts'

/** The statements of a pool's `query()` that this thread runs: its own, and those of threads that do not run theirs. */
export class Statements<C extends object> {
  readonly #pool: Pool<C>
  readonly #dispatch: StatementDispatch

  constructor(pool: Pool<C>) {
    this.#pool = pool
    this.#dispatch = new StatementDispatch(new PoolSource(pool))
  }

  /** How many wait, but for those who do so in the pool's own queue. */
  get waiting(): number {
    return this.#dispatch.waiting
  }

  /**
   * A statement for a thread; `outcome` will be told once. What is wrong with it is thrown, and then nothing has happened.
   * @throws {ArgumentError} wrong types; {InvalidRequestError} it can't be a transaction of its own; the signal's reason.
   */
  prepare(
    borrower: Borrower,
    text: string,
    values: readonly unknown[] | undefined,
    options: QueryOptions | undefined,
    outcome: Outcome,
  ): Statement {
    checkQuery(text, values, options)
    const { dialect, settings } = this.#pool
    const args = dialect.statement?.(text, values ?? []) ?? (values === undefined ? [text] : [text, values])
    const late = (timeoutMs: number): TimeoutError =>
      statement.isWaiting ? this.#dispatch.timeoutError(timeoutMs) : queryTimeout(timeoutMs)
    const whole = options && patienceWith(options, late)
    if (whole?.gone) throw whole.gone.reason
    const wait = options && waitOf(options)
    const waitMs = wait === undefined ? settings.timeoutMs : wait
    const statement = new Statement(borrower, { text, values, args, waitMs, whole }, outcome)
    return statement
  }

  run(statement: Statement): void {
    // Where idle connections are anybody's, they can be that of many statements.
    if (this.#pool.lendsByItself) this.#dispatch.add(statement)
    else void runAlone(this.#pool, statement)
  }

  query(borrower: Borrower, text: string, values?: readonly unknown[], options?: QueryOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.run(this.prepare(borrower, text, values, options, { resolve, reject }))
    })
  }
}
