import type { Client, ClientConfig } from 'pg'
import pgModule from 'pg'
import { descriptors, identityOf, type Peek } from '../base/descriptors.ts'
import type { Handover, Offer } from './dialect.ts'
import { abandon } from './pg-abandon.ts'
import { inside } from './pg-inside.ts'
import { loginOf } from './pg-login.ts'
import type { PgPooler } from './pg-pooler.ts'
import { isAtRest, settled } from './pg-settled.ts'
import { handleOf, type PgSocket, socketOf } from './pg-socket.ts'

/** What a thread must know to go on with a session: no password is in it. */
export interface PgFacts {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly binary: boolean
  readonly queryTimeoutMs: number
  readonly pooler: PgPooler | undefined
  /** The server's messages from AuthenticationOk to ReadyForQuery. */
  readonly login: Uint8Array
}

/** Why sessions with this configuration can't be handed to other threads. */
function obstacleOf(config: ClientConfig): string | undefined {
  const native = descriptors()
  if (typeof native === 'string') return native
  if (config.stream !== undefined) return 'the pg configuration has a stream of its own'
  if (config.types !== undefined) return 'the pg configuration has type parsers of its own, which can not travel'
  // Asked of the driver: a connection string or PGSSLMODE may want TLS too.
  return inside(new pgModule.Client(config)).ssl ? 'the connection is encrypted (TLS)' : undefined
}

function fdOf(socket: PgSocket): number {
  return handleOf(socket)?.fd ?? -1
}

function offer(client: Client, pooler: PgPooler | undefined): Offer | undefined {
  const native = descriptors()
  const socket = socketOf(client)
  if (typeof native === 'string' || socket === undefined || socket.isReading) return undefined
  const descriptor = native.dup(fdOf(socket))
  const identity = identityOf(descriptor)
  if (identity === undefined) return undefined
  const { host, port, user, database, binary, connectionParameters } = inside(client)
  const facts: PgFacts = {
    host,
    port,
    user,
    database,
    binary,
    queryTimeoutMs: Number(connectionParameters.query_timeout) || 0,
    pooler,
    login: loginOf(client),
  }
  return { descriptor, identity, facts }
}

function peek(client: Client): Peek {
  const native = descriptors()
  const socket = socketOf(client)
  if (typeof native === 'string' || socket === undefined) return 'quiet'
  const descriptor = fdOf(socket)
  return descriptor < 0 ? 'closed' : native.peek(descriptor)
}

/** The coordinator's half of the transport `direct`; `pg-lane.ts` is the other. */
export function pgHandover(config: ClientConfig, pooler: PgPooler | undefined): Handover<Client> {
  let obstacle: { readonly why: string | undefined } | undefined
  return {
    get obstacle() {
      obstacle ??= { why: obstacleOf(config) }
      return obstacle.why
    },
    module: new URL('./pg-lane.js', import.meta.url).href,
    offer: client => offer(client, pooler),
    isAttended: client => socketOf(client)?.isReading ?? false,
    attend: client => socketOf(client)?.attend(),
    rest(client) {
      const socket = socketOf(client)
      if (socket !== undefined && !isAtRest(client)) return false
      socket?.rest()
      return true
    },
    settled: client => settled(client),
    resume(client, inTransaction) {
      inside(client)._txStatus = inTransaction ? 'T' : 'I'
    },
    peek,
    abandon: client => abandon(client, pooler),
  }
}

/** Ends a session whoever has descriptors of it: destroying a socket closes but one of them. */
export function endSession(client: Client): void {
  const native = descriptors()
  const socket = socketOf(client)
  if (typeof native !== 'string' && socket !== undefined && fdOf(socket) >= 0) native.shutdown(fdOf(socket))
  inside(client).connection.stream.destroy()
}
