import type { Client, ClientConfig } from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { type PostgresServer, type PostgresServerOptions, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { openPool } from './open-pool.ts'
import { ServerView } from './server-view.ts'

/** How a client gets to the server. */
export const roads = ['a Unix socket', 'TCP'] as const
export type Road = (typeof roads)[number]

/** Where the road makes no difference to what is tested. */
export const oneRoad = ['a Unix socket'] as const

export const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** A PostgreSQL for the tests of one file, with an observer's session that no count includes. */
export class OwnServer {
  readonly #options: PostgresServerOptions
  #server: PostgresServer | undefined
  #view: ServerView | undefined

  private constructor(options: PostgresServerOptions) {
    this.#options = options
  }

  /** Starts before the tests of this file, and is removed after them. */
  static forThisFile(options: PostgresServerOptions = {}): OwnServer {
    const own = new OwnServer(options)
    beforeAll(() => own.#begin())
    afterAll(async () => {
      await own.#view?.close().catch(() => {})
      await own.#server?.remove()
    })
    return own
  }

  get server(): PostgresServer {
    return this.#server!
  }

  get view(): ServerView {
    return this.#view!
  }

  config(road: Road): ClientConfig {
    if (road === 'TCP') return { connectionString: this.server.connectionString }
    return { host: this.server.socketDir!, port: this.server.port, user: 'postgres', database: 'postgres' }
  }

  /** A shared pool of one connection, closed with the test that runs. Failures are looked at, not logged. */
  pool(road: Road, options: PoolOptions<Client> = {}): QueuePool<Client> {
    return openPool<Client>({ dialect: pg(this.config(road)), poolSize: 1, maxOverflow: 0, logger: silent, ...options })
  }

  /** Runs it again after it was stopped, and observes it anew. */
  async restart(): Promise<void> {
    await this.#view?.close().catch(() => {})
    await this.#server?.start()
    this.#view = await ServerView.of(this.server)
  }

  async #begin(): Promise<void> {
    this.#server = await startPostgres(this.#options)
    this.#view = await ServerView.of(this.#server)
  }
}

/** The server's process behind one of the pool's connections. */
export async function pidOf(pool: QueuePool<Client>): Promise<number> {
  return (await pool.use(conn => conn.query<{ pid: number }>('select pg_backend_pid() as pid'))).rows[0]!.pid
}
