import pgModule from 'pg'
import type { Outcome } from './dialect.ts'
import type { PgStatement } from './pg-statement.ts'

/** What a query of pg's writes to. */
interface Connection {
  readonly stream: { readonly writable: boolean; write(bytes: Uint8Array): unknown }
}

/** pg's result while it is being filled. */
interface Result {
  parseRow(fields: readonly unknown[]): unknown
  addRow(row: unknown): void
}

/** What pg keeps but does not declare. */
interface Undeclared {
  readonly Result: new () => Result
  readonly Query: { readonly prototype: { prepare(this: PgQuery, connection: Connection): void } }
}

const { Result, Query } = pgModule as unknown as Undeclared
const { prepare } = Query.prototype

/** How a statement has ended. */
export type Told = { readonly error: unknown } | { readonly result: unknown }

/**
 * One statement as a query of pg's own, for its mode `pipeline`: pg refuses any other class there. It leaves out what costs as much
 * as the statement and nobody uses here: a copy of the configuration, the events, a Parse message made anew for each.
 */
export class PgQuery {
  readonly text: string
  readonly values: readonly unknown[]
  readonly done: Outcome
  /** What the driver has said; the server is ready for what follows only a message later. */
  told: Told | undefined
  /** pg may put one of its own around it, for `query_timeout`. */
  callback: (error: unknown, result?: unknown) => void
  readonly portal = ''
  readonly _result = new Result()
  readonly _results = this._result
  _canceledDueToError: unknown = false

  constructor({ text, values }: PgStatement, done: Outcome, told: (query: PgQuery) => void) {
    this.text = text
    this.values = values
    this.done = done
    this.callback = (error, result) => {
      this.told ??= error ? { error } : { result }
      told(this)
    }
  }

  submit(connection: Connection): null {
    if (connection.stream.writable) connection.stream.write(parseMessage(this.text))
    prepare.call(this, connection)
    return null
  }

  /** Said just before: then Bind, Describe, Execute and Sync are what is left. */
  hasBeenParsed(): boolean {
    return true
  }

  handleDataRow({ fields }: { readonly fields: readonly unknown[] }): void {
    if (this._canceledDueToError) return
    try {
      this._result.addRow(this._result.parseRow(fields))
    } catch (error) {
      this._canceledDueToError = error
    }
  }

  handleError(error: unknown): void {
    this.callback(this._canceledDueToError || error)
  }

  handleReadyForQuery(): void {
    if (this._canceledDueToError) this.callback(this._canceledDueToError)
    else this.callback(null, this._results)
  }
}

// Not `extends`: pg's constructor is what this is to do without.
Object.setPrototypeOf(PgQuery.prototype, Query.prototype)

/** So many texts have their message kept; then it begins anew. */
const mostTexts = 256

/** A longer text is not worth its room. */
const longestText = 16_384

const parseMessages = new Map<string, Buffer>()

/** Parse: an unnamed statement, whose parameters have whatever types the server finds. */
function parseMessage(text: string): Buffer {
  const known = parseMessages.get(text)
  if (known) return known
  const body = Buffer.from(`\0${text}\0\0\0`)
  const header = Buffer.from('P\0\0\0\0')
  header.writeInt32BE(body.length + 4, 1)
  const message = Buffer.concat([header, body])
  if (text.length > longestText) return message
  if (parseMessages.size === mostTexts) parseMessages.clear()
  parseMessages.set(text, message)
  return message
}
