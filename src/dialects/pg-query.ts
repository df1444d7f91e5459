import pgModule from 'pg'
import { Link } from '../base/chain.ts'
import type { Outcome } from './dialect.ts'
import type { PgField, PgResult } from './pg-empty-row.ts'
import type { PgGroup } from './pg-group.ts'
import type { PgStatement } from './pg-statement.ts'
import { aboutStatement, PgText } from './pg-text.ts'

/** What a query of pg's writes to. */
export interface PgWriter {
  readonly stream: { readonly writable: boolean; write(bytes: Uint8Array): unknown }
  execute(config: object): void
  sync(): void
}

/** With what fills it. */
interface Result extends PgResult {
  parseRow(fields: readonly unknown[]): unknown
  addRow(row: unknown): void
  addCommandComplete(message: unknown): void
}

/** What pg keeps but does not declare. */
interface Undeclared {
  readonly Result: new () => Result
  readonly Query: { readonly prototype: { prepare(this: PgQuery, connection: PgWriter): void } }
}

const { Result, Query } = pgModule as unknown as Undeclared
const { prepare } = Query.prototype

/** How a statement has ended. */
export type Told = { readonly error: unknown } | { readonly result: unknown }

/**
 * One statement as a query of pg's own, for its mode `pipeline`: pg refuses any other class there. It leaves out what costs as much
 * as the statement and nobody uses here: a copy of the configuration, the events, messages made anew that are always the same.
 */
export class PgQuery extends Link {
  readonly statement: PgStatement
  readonly done: Outcome
  readonly text: PgText
  readonly values: readonly unknown[]
  /** Those it shares one Parse with, and its Bind message for that. */
  group: PgGroup | undefined
  bind: Uint8Array | undefined
  /** Names of earlier groups, to be closed before it runs. */
  closes: readonly string[] | undefined
  /** The server has bound its values: from then on it may have run. */
  isBound = false
  /** False: the server can't have heard of it. */
  isSent = false
  /** What the driver has said; the server is ready for what follows only a message later. */
  told: Told | undefined
  /** pg may put one of its own around it, for `query_timeout`. */
  callback: (error: unknown, result?: unknown) => void
  /** Set by the client, where it is configured so. */
  binary = false
  readonly portal = ''
  readonly _result = new Result()
  readonly _results = this._result
  _canceledDueToError: unknown = false

  constructor(statement: PgStatement, done: Outcome, told: (query: PgQuery) => void) {
    super()
    this.statement = statement
    this.done = done
    this.text = PgText.of(statement.text)
    this.values = statement.values
    this.callback = (error, result) => {
      this.told ??= error ? { error } : { result }
      told(this)
    }
  }

  submit(connection: PgWriter): null {
    const { stream } = connection
    if (!stream.writable) return null
    this.isSent = true
    if (this.closes) for (const name of this.closes) stream.write(aboutStatement('C', name))
    if (this.group) this.group.write(this, connection)
    else {
      stream.write(this.text.parse)
      prepare.call(this, connection)
    }
    return null
  }

  /** Said just before: then Bind, Describe, Execute and Sync are what is left. */
  hasBeenParsed(): boolean {
    return true
  }

  handleRowDescription({ fields }: { readonly fields: readonly PgField[] }): void {
    this.text.emptyRow.describe(this._result, fields)
    if (this.group) this.group.fields = fields
  }

  handleDataRow({ fields }: { readonly fields: readonly unknown[] }): void {
    if (this._canceledDueToError) return
    try {
      this.#describe()
      this._result.addRow(this._result.parseRow(fields))
    } catch (error) {
      this._canceledDueToError = error
    }
  }

  handleCommandComplete(message: unknown): void {
    this.#describe()
    this._result.addCommandComplete(message)
  }

  handleEmptyQuery(): void {}

  handleError(error: unknown): void {
    this.callback(this._canceledDueToError || error)
  }

  handleReadyForQuery(): void {
    if (this._canceledDueToError) this.callback(this._canceledDueToError)
    else this.callback(null, this._results)
  }

  /** The rows of a group are described once. */
  #describe(): void {
    const fields = this.group?.fields
    if (fields !== undefined && this._result._parsers === undefined) this.handleRowDescription({ fields: [...fields] })
  }
}

// What pg asks for is the prototype; its constructor is what this is to do without.
Object.setPrototypeOf(PgQuery.prototype, Query.prototype)
