import { InvalidRequestError, NotClonableError } from '../base/errors.ts'
import type { Borrower } from '../fairies/borrower.ts'
import type { Pool } from '../pool/pool.ts'
import { kind, type QueryRequest } from '../protocol/messages.ts'
import { mostPending } from '../protocol/request-check.ts'
import type { RowEncoder } from '../protocol/row-coder.ts'
import { toWireError } from '../protocol/wire-error.ts'
import { fromWireValue, toWireValue } from '../protocol/wire-value.ts'
import type { Statement } from '../statements/statement.ts'
import { checkMethod } from '../transports/allowed.ts'
import { type ReplySender, weigh } from '../transports/remote-callee.ts'

/** The statements of one attached thread that it waits for: `pool.query()` there. */
export class SessionStatements {
  readonly #pool: Pool<object>
  readonly #borrower: Borrower
  readonly #reply: ReplySender
  readonly #encoder: RowEncoder
  readonly #byId = new Map<number, Statement>()

  constructor(pool: Pool<object>, borrower: Borrower, reply: ReplySender, encoder: RowEncoder) {
    this.#pool = pool
    this.#borrower = borrower
    this.#reply = reply
    this.#encoder = encoder
  }

  /** Throws for a statement that is refused. */
  run([, id, text, values, buffers, timeoutMs]: QueryRequest): void {
    const { dialect, statements } = this.#pool
    checkMethod('query', dialect.methods)
    if (this.#byId.size >= mostPending) throw tooMany()
    fromWireValue(values, buffers)
    dialect.admit?.('query', [text, values], weigh)
    const outcome = {
      resolve: (result: unknown) => {
        if (this.#byId.delete(id)) this.#answer(id, result)
      },
      reject: (error: unknown) => {
        // Not where the thread has left it: it knows why.
        if (this.#byId.delete(id)) this.#reply([kind.failure, id, toWireError(error)])
      },
    }
    const options = timeoutMs === undefined ? undefined : { timeoutMs }
    const statement = statements.prepare(this.#borrower, text, values, options, outcome)
    this.#byId.set(id, statement)
    statements.run(statement)
  }

  /** Its caller has left, and has been told. False: no statement has this number. */
  leave(id: number): boolean {
    const statement = this.#byId.get(id)
    this.#byId.delete(id)
    statement?.leave(undefined)
    return statement !== undefined
  }

  /** The thread is gone: what waits is forgotten, what has been sent runs to its end for nobody. */
  clear(): void {
    for (const statement of this.#byId.values()) statement.drop()
    this.#byId.clear()
  }

  #answer(id: number, result: unknown): void {
    const { dialect } = this.#pool
    try {
      const rowSet = dialect.rowSet?.(result)
      const rows = rowSet && this.#encoder.encode(rowSet)
      if (rows) return this.#reply([kind.rows, id, rows])
      const { value, buffers, nature } = toWireValue(dialect.toWire ? dialect.toWire(result) : result)
      const unsendable = (): void => this.#reply([kind.failure, id, toWireError(notClonable())])
      if (nature === 'stuck') return unsendable()
      this.#reply([kind.answer, id, value, buffers], unsendable)
    } catch (error) {
      this.#reply([kind.failure, id, toWireError(error)])
    }
  }
}

const tooMany = (): InvalidRequestError =>
  new InvalidRequestError(`${mostPending} statements of this thread are under way already, and that is the most.`)

/** There is no lease under which it could stay here. */
const notClonable = (): NotClonableError =>
  new NotClonableError(
    "The result of query() can't travel between threads: functions, symbols and live objects can't be cloned. The statement has been run.",
  )
