import { randomBytes } from 'node:crypto'
import pgModule from 'pg'
import type { PgField } from './pg-empty-row.ts'
import type { PgQuery, PgWriter } from './pg-query.ts'
import { aboutStatement, parseMessage } from './pg-text.ts'

/** What pg keeps but does not declare. */
interface Undeclared {
  readonly Connection: {
    readonly prototype: { bind(this: { _send(bytes: Uint8Array): void }, config: object): void }
  }
  readonly utils: { readonly prepareValue: (value: unknown) => unknown }
}

const { Connection, utils } = pgModule as unknown as Undeclared

/** No other thread has these names, on whatever session. */
const namespace = `fairypool_${randomBytes(5).toString('hex')}`
let lastName = 0

/** Errors of who has not been bound yet that may be due to the name: the statement has not run, and runs again without. */
const dueToName = new Set(['26000', '0A000', '08P01', '42P05'])

/** Between the thread and the server something gives the statements of one connection to several: names are no use. */
let areNamesLost = false

/** By client: names whose Close the server may have skipped, behind an error. */
const unclosed = new WeakMap<object, Set<string>>()

/**
 * Statements of one text that leave in one write: the server parses it once, and each is bound and run from that as a transaction of
 * its own. As none was asked for later than that write, each sees the text as it would have been parsed for itself: constants such as
 * `'now'`, tables that come and go. The name is used for nothing else, so that one that failed to be parsed can't be taken for another.
 * After five of them the server may take to one plan for all values, as with any prepared statement (`plan_cache_mode`).
 */
export class PgGroup {
  readonly name = `${namespace}_${(++lastName).toString(36)}`
  // No array of all: V8 takes to making those among its old objects, where each keeps all that it holds until the next full collection.
  #first: PgQuery | undefined
  #last: PgQuery | undefined
  readonly #unclosed: Set<string>
  /** Of their rows, once the server has said it; undefined where they have none. */
  fields: readonly PgField[] | undefined

  constructor(unclosed: Set<string>) {
    this.#unclosed = unclosed
  }

  /** Finds those of a write that can be parsed together. The first closes what is left of earlier groups. */
  static form(client: object, queries: readonly PgQuery[]): void {
    const names = unclosed.get(client) ?? new Set<string>()
    unclosed.set(client, names)
    if (names.size > 0) queries[0]!.closes = [...names]
    names.clear()
    if (queries.length < 2 || areNamesLost) return
    const open = new Map<object, PgGroup>()
    for (const query of queries) {
      const group = open.get(query.text) ?? new PgGroup(names)
      if (group.#join(query)) open.set(query.text, group)
    }
    for (const group of open.values()) if (group.#first === group.#last) group.#first!.group = undefined
  }

  /** A statement of a group has ended so. True: that is due to the group, and it is to be sent by itself. */
  static isToBlame(query: PgQuery, error: unknown): boolean {
    const { group, isBound } = query
    if (group === undefined || isBound) return false
    const { code } = error as { readonly code?: unknown }
    if (typeof code !== 'string' || !dueToName.has(code)) return false
    if (code === '26000' && group.#first!.isBound) areNamesLost = true
    return true
  }

  write(query: PgQuery, connection: PgWriter): void {
    const { stream } = connection
    if (query === this.#first) {
      stream.write(parseMessage(this.name, query.text.parseTail))
      stream.write(aboutStatement('D', this.name))
    }
    stream.write(query.bind!)
    connection.execute(query)
    if (query === this.#last) stream.write(aboutStatement('C', this.name))
    connection.sync()
  }

  /** A statement has ended: behind an error, the server has skipped what came before the next Sync. */
  ended(query: PgQuery, hasFailed: boolean): void {
    if (hasFailed && query === this.#last) this.#unclosed.add(this.name)
  }

  /** Not one whose values can't be written: that is told by the driver in its own way. */
  #join(query: PgQuery): boolean {
    if (query.binary) return false
    try {
      query.bind = bindMessage(this.name, query.values)
    } catch {
      return false
    }
    query.group = this
    this.#first ??= query
    this.#last = query
    return true
  }
}

function bindMessage(statement: string, values: readonly unknown[]): Uint8Array {
  let message: Uint8Array | undefined
  const keep = {
    _send: (bytes: Uint8Array) => {
      message = bytes
    },
  }
  Connection.prototype.bind.call(keep, { statement, values, valueMapper: utils.prepareValue })
  return message!
}
