import { Chain } from '../base/chain.ts'
import { NotSent } from '../base/errors.ts'
import { ignore } from '../base/maybe-async.ts'
import type { Outcome, Pipeline } from './dialect.ts'
import { PgGroup } from './pg-group.ts'
import { PgQuery } from './pg-query.ts'
import type { PgStatement } from './pg-statement.ts'

/** What pipelining needs of a `pg.Client`; pg keeps most of it without declaring it, so each member says what for. */
export interface PipelinedClient {
  /**
   * Sends what is asked at once, whatever has not been answered yet. As it is set, cursors and COPY are refused, so it is set
   * only as long as the connection is used for nothing else. May be changed when nothing is in flight.
   */
  pipeline: boolean
  /** False once the socket has failed: then nothing is sent, and no answer comes. */
  readonly _queryable: boolean
  /** What is being answered. */
  readonly _activeQuery: object | null
  /** Results come in the binary format: each has to be asked for so. */
  readonly binary: boolean
  query(query: object): unknown
  on(event: 'error', listener: (error: unknown) => void): unknown
  off(event: 'error', listener: (error: unknown) => void): unknown
  readonly connection: {
    readonly stream: { cork(): void; uncork(): void }
    on(event: 'readyForQuery' | 'bindComplete' | 'end', listener: () => void): unknown
    off(event: 'readyForQuery' | 'bindComplete' | 'end', listener: () => void): unknown
  }
}

/**
 * Statements in flight on one client in its mode `pipeline`. Each ends with a Sync of its own, so each is its own transaction,
 * one that fails fails alone, and each is answered by one ReadyForQuery, in the order of sending: that is what ends it here.
 * The driver's callback may come before (an error, or values that can't be written) and, for such values, come twice.
 */
export class PgPipeline implements Pipeline {
  readonly #client: PipelinedClient
  readonly #begin: () => void
  /** In the order of sending. */
  readonly #inFlight = new Chain<PgQuery>()
  /** Asked for in this turn of the event loop, and not written yet. */
  #unsent: PgQuery[] = []
  #isLost: boolean
  #loss: unknown

  /** `begin`: told before anything is written. */
  constructor(client: PipelinedClient, begin: () => void = ignore) {
    this.#client = client
    this.#begin = begin
    this.#isLost = !client._queryable
    client.pipeline = true
    client.on('error', this.#lost)
    client.connection.on('end', this.#lost)
    client.connection.on('bindComplete', this.#bound)
    client.connection.on('readyForQuery', this.#ready)
  }

  send([statement]: readonly unknown[], done: Outcome): void {
    this.#add(new PgQuery(statement as PgStatement, done, this.#told))
  }

  end(): void {
    const client = this.#client
    client.pipeline = false
    client.off('error', this.#lost)
    client.connection.off('end', this.#lost)
    client.connection.off('bindComplete', this.#bound)
    client.connection.off('readyForQuery', this.#ready)
  }

  /** The driver has told how one has ended, before or after the server is ready for the next. */
  readonly #told = (query: PgQuery): void => {
    if (this.#isLost) this.#end(query)
  }

  readonly #ready = (): void => {
    const { first } = this.#inFlight
    if (first) this.#end(first)
  }

  /** No answer will come any more. The driver tells every statement that has none; those that wait for their ReadyForQuery are at their end. */
  readonly #lost = (loss?: unknown): void => {
    this.#isLost = true
    this.#loss ??= loss
    for (const query of this.#inFlight) this.#end(query)
  }

  readonly #bound = (): void => {
    const { _activeQuery: query } = this.#client
    if (query instanceof PgQuery) query.isBound = true
  }

  #end(query: PgQuery): void {
    const { done, told, group } = query
    if (told === undefined || !this.#inFlight.delete(query)) return
    const hasFailed = 'error' in told
    group?.ended(query, hasFailed)
    if (!hasFailed) done.resolve(told.result)
    else if (PgGroup.isToBlame(query, told.error) && !this.#isLost) this.#repeat(query)
    else done.reject(this.#isLost && !query.isSent ? new NotSent(this.#loss ?? told.error) : told.error)
  }

  /** By itself this time. */
  #repeat({ statement, done }: PgQuery): void {
    const query = new PgQuery(statement, done, this.#told)
    this.#inFlight.add(query)
    this.#begin()
    this.#client.query(query)
  }

  /** All statements of one turn of the event loop leave in one write, from whatever threads: a write costs as much as a statement. */
  #add(query: PgQuery): void {
    this.#unsent.push(query)
    if (this.#unsent.length === 1) setImmediate(this.#send)
  }

  readonly #send = (): void => {
    const client = this.#client
    const queries = this.#unsent
    this.#unsent = []
    this.#begin()
    if (!client.binary) PgGroup.form(client, queries)
    const { stream } = client.connection
    stream.cork()
    // Only now: one that runs again may have been sent since it was asked for, and its answer comes before.
    for (const query of queries) {
      this.#inFlight.add(query)
      client.query(query)
    }
    stream.uncork()
    // What is old by now must not keep alive what it was for.
    queries.length = 0
  }
}
