import type { Client } from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { type BouncerMode, type PgBouncer, pgBouncerVersion, startPgBouncer } from '../../bench/pgbouncer.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { openPool } from '../support/open-pool.ts'
import { type OwnServer, silent } from '../support/own-server.ts'

export const isInstalled: boolean = pgBouncerVersion() !== 'not installed'

/** How many connections to the server a PgBouncer of these tests has. */
export const serverConnections = 3

export type Transport = 'direct' | 'remote'

/** In each of its modes, from threads of each transport. */
export const ways: readonly (readonly [BouncerMode, Transport])[] = [
  ['session', 'direct'],
  ['session', 'remote'],
  ['transaction', 'direct'],
  ['transaction', 'remote'],
]

/** A PgBouncer of each mode in front of this file's server. */
export class Bouncers {
  readonly #own: OwnServer
  readonly #all = new Map<BouncerMode, PgBouncer>()

  private constructor(own: OwnServer) {
    this.#own = own
  }

  static forThisFile(own: OwnServer): Bouncers {
    const bouncers = new Bouncers(own)
    if (isInstalled) {
      beforeAll(() => bouncers.#begin())
      afterAll(() => bouncers.#end())
    }
    return bouncers
  }

  at(mode: BouncerMode): PgBouncer {
    return this.#all.get(mode)!
  }

  /** A shared pool that is told of the mode, as the README says. */
  pool(mode: BouncerMode, transport: Transport, options: PoolOptions<Client> = {}): QueuePool<Client> {
    const dialect = pg(this.at(mode).config, { pooler: mode })
    const by = transport === 'remote' ? { transport } : {}
    return openPool<Client>({
      dialect,
      poolSize: 2,
      maxOverflow: 0,
      timeoutMs: 10_000,
      logger: silent,
      ...by,
      ...options,
    })
  }

  async #begin(): Promise<void> {
    const { connectionString } = this.#own.server
    for (const mode of ['session', 'transaction'] as const) {
      this.#all.set(mode, await startPgBouncer({ connectionString }, serverConnections, mode))
    }
  }

  async #end(): Promise<void> {
    for (const bouncer of this.#all.values()) await bouncer.close()
  }
}
