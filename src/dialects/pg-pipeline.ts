import type { Outcome, Pipeline } from './dialect.ts'

/** What pipelining needs of a `pg.Client`; pg keeps most of it without declaring it, so each member says what for. */
export interface PipelinedClient {
  /**
   * Sends what is asked at once, whatever has not been answered yet. As it is set, cursors and COPY are refused, so it is set
   * only as long as the connection is used for nothing else. May be changed when nothing is in flight.
   */
  pipeline: boolean
  /** False once the socket has failed: then nothing is sent, and no answer comes. */
  readonly _queryable: boolean
  query(config: object, values: undefined, callback: (error: unknown, result: unknown) => void): unknown
  on(event: 'error', listener: () => void): unknown
  off(event: 'error', listener: () => void): unknown
  readonly connection: {
    readonly stream: { cork(): void; uncork(): void }
    on(event: 'readyForQuery' | 'end', listener: () => void): unknown
    off(event: 'readyForQuery' | 'end', listener: () => void): unknown
  }
}

interface Entry {
  readonly done: Outcome
  /** What the driver has said; the server is ready for what follows only a message later. */
  told: { readonly error: unknown } | { readonly result: unknown } | undefined
}

/**
 * Statements in flight on one client in its mode `pipeline`. Each ends with a Sync of its own, so each is its own transaction,
 * one that fails fails alone, and each is answered by one ReadyForQuery, in the order of sending: that is what ends it here.
 * The driver's callback may come before (an error, or values that can't be written) and, for such values, come twice.
 */
export class PgPipeline implements Pipeline {
  readonly #client: PipelinedClient
  readonly #inFlight: Entry[] = []
  #isLost: boolean
  #isCorked = false

  constructor(client: PipelinedClient) {
    this.#client = client
    this.#isLost = !client._queryable
    client.pipeline = true
    client.on('error', this.#lost)
    client.connection.on('end', this.#lost)
    client.connection.on('readyForQuery', this.#ready)
  }

  send([config]: readonly [object], done: Outcome): void {
    const entry: Entry = { done, told: undefined }
    this.#cork()
    this.#client.query(config, undefined, (error, result) => {
      entry.told ??= error ? { error } : { result }
      if (this.#isLost) this.#end(entry)
    })
    this.#inFlight.push(entry)
  }

  end(): void {
    const client = this.#client
    client.pipeline = false
    client.off('error', this.#lost)
    client.connection.off('end', this.#lost)
    client.connection.off('readyForQuery', this.#ready)
  }

  readonly #ready = (): void => {
    const [first] = this.#inFlight
    if (first?.told) this.#end(first)
  }

  /** No answer will come any more. The driver tells every statement that has none; those that wait for their ReadyForQuery are at their end. */
  readonly #lost = (): void => {
    this.#isLost = true
    for (const entry of this.#inFlight.filter(({ told }) => told)) this.#end(entry)
  }

  #end(entry: Entry): void {
    const { done, told } = entry
    const at = this.#inFlight.indexOf(entry)
    if (at === -1 || told === undefined) return
    this.#inFlight.splice(at, 1)
    if ('error' in told) done.reject(told.error)
    else done.resolve(told.result)
  }

  /** All statements of one turn of the event loop leave in one write, from whatever threads: a write costs as much as a statement. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    const { stream } = this.#client.connection
    stream.cork()
    setImmediate(() => {
      this.#isCorked = false
      stream.uncork()
    })
  }
}
