import pgModule, { type Client, type ClientConfig, type QueryResult } from 'pg'
import { checkOptions, oneOf } from '../base/checks.ts'
import { ArgumentError } from '../base/errors.ts'
import { ignore } from '../base/maybe-async.ts'
import type { Dialect, Handover, OpenContext } from './dialect.ts'
import { pgArguments } from './pg-arguments.ts'
import { cancel } from './pg-cancel.ts'
import { readPgCursor } from './pg-cursor.ts'
import { isPgDisconnect, isPgUnreachable } from './pg-errors.ts'
import { endSession, pgHandover } from './pg-handover.ts'
import { inside, isDriverAtRest } from './pg-inside.ts'
import { recordLogin } from './pg-login.ts'
import { ping } from './pg-ping.ts'
import { PgPipeline, type PipelinedClient } from './pg-pipeline.ts'
import { keepToTransactions, type PgPooler } from './pg-pooler.ts'
import { describeRows } from './pg-rows.ts'
import { PgSocket } from './pg-socket.ts'
import { pgStatement } from './pg-statement.ts'
import { pgTextOf } from './pg-text-of.ts'

/** What is to be known of the way to the server, beside what the driver is told. */
export interface PgOptions {
  /**
   * The mode of a pooler between, such as PgBouncer. 'transaction': what outlasts a transaction is refused, and prepared statements
   * are sent without their names. Default: there is none.
   */
  readonly pooler?: PgPooler
}

async function open(
  config: ClientConfig,
  pooler: PgPooler | undefined,
  { signal, mayHandOver }: OpenContext,
  handover: Handover<Client>,
): Promise<Client> {
  // Not yet connected, so that reading can begin as the driver wants it.
  const stream = mayHandOver && handover.obstacle === undefined ? { stream: () => new PgSocket() } : {}
  const client = new pgModule.Client({ ...config, ...stream })
  recordLogin(client)
  // Until somebody watches: an error that nobody hears would crash the process.
  client.on('error', ignore)
  const giveUp = (): void => inside(client).connection.stream.destroy()
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    await client.connect()
    forgetPassword(client)
    describeRows(client)
    if (pooler === 'transaction') keepToTransactions(client)
    return client
  } catch (error) {
    giveUp()
    throw error
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

/** It has been used: a client that is logged in needs it no more, and whoever looks at one closely would find it. */
function forgetPassword(client: Client): void {
  inside(client).password = null
  inside(client).connectionParameters.password = null
}

/** A result of one statement; several statements in one query give an array of them. */
function rowSet(result: unknown): ReturnType<NonNullable<Dialect<Client>['rowSet']>> {
  if (typeof result !== 'object' || result === null || !('rows' in result) || !('fields' in result)) return undefined
  const { command, rowCount, oid, rows, fields } = result as QueryResult
  return { head: { command, rowCount, oid }, fields, rows }
}

/** What of a result can travel: the driver hangs its parsers on it. */
function toWire(result: unknown): unknown {
  if (Array.isArray(result)) return result.map(toWire)
  if (typeof result !== 'object' || result === null || !('rows' in result) || !('fields' in result)) return result
  const { command, rowCount, oid, rows, fields } = result as QueryResult
  return { command, rowCount, oid, rows, fields }
}

/**
 * PostgreSQL over `pg` 8.23 or newer. Takes what `new pg.Client()` takes; the credentials stay on the coordinator's thread.
 * A worker may call `query(text | config, values)` and `cursor(text, values, { batchSize })`.
 * @throws {ArgumentError} it is neither; or an option is unknown.
 */
export function pg(config: ClientConfig | string = {}, options: PgOptions = {}): Dialect<Client> {
  const clientConfig = typeof config === 'string' ? { connectionString: config } : config
  if (typeof clientConfig !== 'object' || clientConfig === null) {
    throw new ArgumentError('pg(config): config must be a connection string or an object as for new pg.Client().')
  }
  checkOptions('pg options', options, { pooler: oneOf('session', 'transaction') })
  const { pooler } = options
  const handover = pgHandover(clientConfig, pooler)
  return {
    name: 'pg',
    methods: ['query'],
    admit: pgArguments,
    connect: (_record, context) => open(clientConfig, pooler, context, handover),
    ping,
    rollback: fairy => fairy.query('rollback'),
    commit: fairy => fairy.query('commit'),
    close: client => client.end(),
    terminate: endSession,
    cancel: client => cancel(inside(client)),
    textOf: pgTextOf,
    awaitsServer: client => !isDriverAtRest(client) || client.listenerCount('notification') > 0,
    isDisconnect: error => isPgDisconnect(error),
    isUnreachable: isPgUnreachable,
    // The server or the network has ended it; an idle one must not crash the process (node-postgres#2641).
    watch(client, lost) {
      client.on('error', lost)
      client.once('end', lost)
    },
    // Between an ErrorResponse and its ReadyForQuery the last status is out of date: then nobody can say.
    inTransaction: client => (inside(client).readyForQuery ? inside(client).getTransactionStatus() !== 'I' : undefined),
    keepAlive: (client, on) => (on ? inside(client).ref() : inside(client).unref()),
    cursor: readPgCursor,
    handover,
    invoke(client, method, args, done) {
      if (method !== 'query' || args.length > 2) return false
      // The values stand between: undefined is what the driver takes for none.
      client.query(args[0] as string, args[1] as unknown[], (error: unknown, result: unknown) => {
        if (error) done.reject(error)
        else done.resolve(result)
      })
      return true
    },
    statement: pgStatement,
    pipeline: client => new PgPipeline(client as unknown as PipelinedClient),
    rowSet,
    toWire,
  }
}
