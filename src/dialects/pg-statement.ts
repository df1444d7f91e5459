import { InvalidRequestError } from '../base/errors.ts'
import { isTemporary, Vetting, wordsOf } from './pg-words.ts'

/** What `client.query()` is told of one statement. */
export interface PgStatement {
  readonly text: string
  readonly values: readonly unknown[]
  /** Always: then the server itself refuses several statements in one text. */
  readonly queryMode: 'extended'
}

/** Statements that open or end a transaction, change the session, or need what an earlier one has left in it. */
const needsItsOwnConnection = new Set([
  ...['begin', 'start', 'commit', 'end', 'rollback', 'abort', 'savepoint', 'release', 'lock'],
  ...['set', 'reset', 'discard', 'load', 'listen', 'unlisten'],
  ...['prepare', 'execute', 'deallocate', 'declare', 'fetch', 'move', 'close', 'copy'],
])

const vetting = new Vetting(text => {
  const words = wordsOf(text)
  const first = words.next().value
  if (first !== undefined && needsItsOwnConnection.has(first)) throw refusal(first)
  if (first === 'create' && isTemporary(words)) throw refusal('create temp')
})

/**
 * One statement for `pool.query()`, sent by the extended protocol. What functions and procedures do can't be seen in the text,
 * nor can `select … into temp`. @throws {InvalidRequestError} the statement needs a connection of its own.
 */
export function pgStatement(text: string, values: readonly unknown[]): readonly [PgStatement] {
  vetting.pass(text)
  // A copy: it may be sent later, and the caller may have another use for his.
  return [{ text, values: [...values], queryMode: 'extended' }]
}

const refusal = (what: string): InvalidRequestError =>
  new InvalidRequestError(
    `query() runs one statement as a transaction of its own, on a connection that others use in between: ${what.toUpperCase()} is not for that. Use connect().`,
  )
