import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { ServerView } from '../support/server-view.ts'
import { startWorker } from '../support/start-worker.ts'
import { StatementLog } from '../support/statement-log.ts'

const log = new StatementLog()
let server: PostgresServer
let view: ServerView

beforeAll(async () => {
  server = await startPostgres({ settings: { log_statement: 'all' }, onLog: log.onLog })
  view = await ServerView.of(server)
  await view.query('create table books (n int)')
})

afterAll(async () => {
  await view.close()
  await server.remove()
})

/** Runs the statements in a worker, closes, and says what the server was asked and what the next borrower finds. */
async function borrow(statements: readonly string[], options: PoolOptions<Client> = {}) {
  const pool = openPool<Client>({ dialect: pg(server.connectionString), poolSize: 1, maxOverflow: 0, ...options })
  await log.take(view)
  const failures = await startWorker().run(async ({ attach }, statements) => {
    const conn = await (await attach<Client>()).connect()
    const failures: unknown[] = []
    for (const text of statements) await conn.query(text).catch((error: Error) => failures.push(error.message))
    // At once: the server has not yet said in which state a failed query has left the session.
    await conn.close()
    return failures
  }, statements)
  await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  const asked = await log.take(view)
  const next = await pool.connect()
  const works = (await next.query('select 1 as one')).rows
  const inTransaction = pg().inTransaction!(next as unknown as Client)
  await next.close()
  return { asked, failures, works, inTransaction }
}

const clean = { works: [{ one: 1 }], inTransaction: false }

describe('a connection of pg that comes home', () => {
  it.each([
    ['after queries outside of a transaction', ['select 1', 'insert into books values (0)']],
    ['after a transaction that was ended', ['begin', 'select 1', 'commit']],
    ['after a failed query outside of a transaction', ['select 1', 'select 2']],
    ['without a query', []],
  ])('%s costs no round trip: the protocol has said that there is nothing to roll back', async (_when, statements) => {
    const seen = await borrow(statements)
    expect(seen).toEqual({ ...clean, asked: statements, failures: [] })
  })

  it.each([
    ['an open transaction', ['begin', 'insert into books values (1)'], []],
    ['a transaction in which a query has failed', ['begin', 'select 1/0'], ['division by zero']],
    ['several statements in one query, of which one has failed', ['begin; select 1/0'], ['division by zero']],
    ['a query that has failed a moment ago', ['select 1/0'], ['division by zero']],
  ])('with %s is rolled back or found idle, and nothing of it is left', async (what, statements, failures) => {
    const seen = await borrow(statements)
    expect(seen).toMatchObject({ ...clean, failures })
    const rollbacks = seen.asked.filter(statement => statement === 'rollback')
    if (what === 'a query that has failed a moment ago') expect(rollbacks.length).toBeLessThanOrEqual(1)
    else expect(rollbacks).toHaveLength(1)
    expect(await view.query('select n from books where n = 1')).toEqual([])
  })

  it("is committed with resetOnReturn: 'commit'", async () => {
    const seen = await borrow(['begin', 'insert into books values (2)'], { resetOnReturn: 'commit' })
    expect(seen).toEqual({ ...clean, failures: [], asked: ['begin', 'insert into books values (2)', 'commit'] })
    expect(await view.query('select n from books where n = 2')).toEqual([{ n: 2 }])
  })

  it("is left as it is with resetOnReturn: 'none'", async () => {
    const seen = await borrow(['begin'], { resetOnReturn: 'none' })
    expect(seen).toEqual({ works: [{ one: 1 }], inTransaction: true, failures: [], asked: ['begin'] })
  })

  it('is reset after a query that was in flight at its close', async () => {
    const pool = openPool<Client>({ dialect: pg(server.connectionString), poolSize: 1, maxOverflow: 0 })
    await log.take(view)
    await startWorker().run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      const queries = [conn.query('begin'), conn.query('insert into books values (3)')]
      await conn.close()
      await Promise.all(queries)
    })
    await eventually(() => pool.status().checkedout).toBe(0)
    expect(await log.take(view)).toEqual(['begin', 'insert into books values (3)', 'rollback'])
    expect(await view.query('select n from books where n = 3')).toEqual([])
  })
})
