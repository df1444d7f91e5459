import { access, readFile, stat } from 'node:fs/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Unavailable } from '../../bench/contender.ts'
import { type PgBouncer, pgBouncerVersion, startPgBouncer } from '../../bench/pgbouncer.ts'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'

describe.skipIf(pgBouncerVersion() === 'not installed')('a PgBouncer of its own', () => {
  let server: PostgresServer
  let bouncer: PgBouncer

  beforeAll(async () => {
    server = await startPostgres()
    // By password, over TCP: what a database of the user's may want.
    bouncer = await startPgBouncer({ connectionString: server.connectionString }, 2)
  })
  afterAll(async () => {
    await bouncer.close()
    await server.remove()
  })

  async function ask<Row extends object>(clients: number, text: string): Promise<Row[]> {
    const pool = new pg.Pool({ ...bouncer.config, max: clients })
    try {
      const results = await Promise.all(Array.from({ length: clients }, () => pool.query<Row>(text)))
      return results.flatMap(({ rows }) => rows)
    } finally {
      await pool.end()
    }
  }

  it('serves many clients by as many connections as it was told', async () => {
    const rows = await ask<{ pid: number }>(10, 'select pg_backend_pid() as pid, pg_sleep(0.01)')
    expect(rows).toHaveLength(10)
    expect(new Set(rows.map(({ pid }) => pid)).size).toBeLessThanOrEqual(2)
  })

  it('is not run by root, and listens on no network', async () => {
    const folder = bouncer.config.host!
    const ini = await readFile(`${folder}/pgbouncer.ini`, 'utf8')
    expect(ini).toMatch(/^listen_addr = $/m)
    expect(ini).toMatch(/^pool_mode = transaction$/m)
    const { uid } = await stat(`${folder}/.s.PGSQL.${bouncer.config.port}`)
    expect(uid).not.toBe(0)
  })

  it('leaves nothing behind', async () => {
    const second = await startPgBouncer({ connectionString: server.connectionString }, 1)
    await second.close()
    await expect(access(second.config.host!)).rejects.toThrow(/ENOENT/)
  })
})

describe('a PgBouncer that is not installed', () => {
  it('is a reason not to take part, no failure', async () => {
    const started = startPgBouncer({}, 1, 'transaction', [])
    await expect(started).rejects.toThrow(Unavailable)
    await expect(started).rejects.toThrow(/^PgBouncer is not installed/)
  })
})
