import { InvalidRequestError } from '../base/errors.ts'

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

/** Words before `temp` in `create or replace local temp view`. */
const beforeTemp = new Set(['or', 'replace', 'local', 'global'])

/** Texts that have been looked at: so many, of such a length at most; then it begins anew. */
const allowed = new Set<string>()
const mostTexts = 256
const longestText = 16_384

const gap = /(?:[\s;(]|--[^\n\r]*)*/y
const word = /[a-z_\u0080-\uffff][\w$\u0080-\uffff]*/iy
const commentEnds = /\/\*|\*\//g

/**
 * One statement for `pool.query()`, sent by the extended protocol. What functions and procedures do can't be seen in the text,
 * nor can `select … into temp`. @throws {InvalidRequestError} the statement needs a connection of its own.
 */
export function pgStatement(text: string, values: readonly unknown[]): readonly [PgStatement] {
  if (!allowed.has(text)) check(text)
  // A copy: it may be sent later, and the caller may have another use for his.
  return [{ text, values: [...values], queryMode: 'extended' }]
}

function check(text: string): void {
  const words = wordsOf(text)
  const first = words.next().value?.toLowerCase()
  if (first !== undefined && needsItsOwnConnection.has(first)) throw refusal(first)
  if (first === 'create') {
    for (const next of words) {
      const lower = next.toLowerCase()
      if (lower === 'temp' || lower === 'temporary') throw refusal('create temp')
      if (!beforeTemp.has(lower)) break
    }
  }
  if (text.length > longestText) return
  if (allowed.size === mostTexts) allowed.clear()
  allowed.add(text)
}

const refusal = (what: string): InvalidRequestError =>
  new InvalidRequestError(
    `query() runs one statement as a transaction of its own, on a connection that others use in between: ${what.toUpperCase()} is not for that. Use connect().`,
  )

/** The words at the beginning, past white space, comments, parentheses and empty statements, until something else comes. */
function* wordsOf(text: string): Generator<string, undefined> {
  for (let at = skipGap(text, 0); ; ) {
    word.lastIndex = at
    const found = word.exec(text)?.[0]
    if (found === undefined) return undefined
    // Another text may have been looked at before the next word is asked for.
    at = skipGap(text, at + found.length)
    yield found
  }
}

function skipGap(text: string, from: number): number {
  for (let at = from; ; ) {
    gap.lastIndex = at
    gap.test(text)
    at = gap.lastIndex
    if (!text.startsWith('/*', at)) return at
    at = skipComment(text, at)
  }
}

/** Comments nest in PostgreSQL. One without an end goes to the end of the text. */
function skipComment(text: string, from: number): number {
  commentEnds.lastIndex = from
  for (let depth = 0, mark = commentEnds.exec(text); mark; mark = commentEnds.exec(text)) {
    depth += mark[0] === '/*' ? 1 : -1
    if (depth === 0) return commentEnds.lastIndex
  }
  return text.length
}
