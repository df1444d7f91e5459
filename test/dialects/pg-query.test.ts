import type { Socket } from 'node:net'
import type { Client, QueryResult } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { eventually } from '../support/eventually.ts'
import { countsOf, failureOf } from '../support/observe.ts'
import { openPool } from '../support/open-pool.ts'
import { ServerView } from '../support/server-view.ts'

let server: PostgresServer
let view: ServerView

beforeAll(async () => {
  server = await startPostgres()
  view = await ServerView.of(server)
})
afterAll(async () => {
  await view.close()
  await server.remove()
})

const pgPool = (options: Partial<PoolOptions<Client>> = {}): QueuePool<Client> =>
  openPool<Client>({ dialect: pg(server.connectionString), poolSize: 4, maxOverflow: 0, ...options })

type Rows = QueryResult<Record<string, unknown>>

/** So many tasks at once, each asking so often for its own number, sometimes in a way that must fail. */
async function askAll(query: (text: string, values: unknown[]) => Promise<unknown>, tasks: number, times: number) {
  const wrong: unknown[] = []
  let failed = 0
  const task = async (number: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const id = number * times + i
      try {
        const { rows } = (await query('select $1::int as id, 10 / $2::int as ten', [id, id % 10])) as Rows
        if (rows.length !== 1 || rows[0]!.id !== id) wrong.push([id, rows])
      } catch (error) {
        if ((error as { code?: unknown }).code === '22012' && id % 10 === 0) failed++
        else wrong.push([id, error])
      }
    }
  }
  await Promise.all(Array.from({ length: tasks }, (_, number) => task(number)))
  return { wrong, failed }
}

describe('query() of a pool over pg', () => {
  it('answers each of many with its own answer or its own failure', async () => {
    const pool = pgPool()
    expect(await askAll((text, values) => pool.query(text, values), 32, 50)).toEqual({ wrong: [], failed: 160 })
    expect([countsOf(pool), pool.status().waiting]).toEqual([[4, expect.any(Number), expect.any(Number), 0], 0])
  })

  it('gives what the driver gives, and leaves its connections as they were', async () => {
    const pool = pgPool({ poolSize: 1 })
    const result = await pool.query<Rows>('select generate_series(1, $1::int) as n', [2])
    expect(result).toMatchObject({ command: 'SELECT', rowCount: 2, rows: [{ n: 1 }, { n: 2 }] })
    expect(result.fields.map(({ name }) => name)).toEqual(['n'])
    await pool.use(async conn => {
      const rows: unknown[] = []
      for await (const row of conn.cursor('select generate_series(1, 3) as n', [], { batchSize: 1 })) rows.push(row)
      expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
      expect(await conn.query('begin; select 1; rollback')).toHaveLength(3)
    })
    expect((await pool.query<Rows>('select 3 as n')).rows).toEqual([{ n: 3 }])
  })

  it('refuses at once what is for a connection of its own, and the server what are several statements', async () => {
    const pool = pgPool({ poolSize: 1 })
    for (const text of ['begin', '/* so */ set x.y = 1', 'listen a', 'create temp table t (a int)']) {
      await expect(pool.query(text)).rejects.toThrow('Use connect()')
    }
    expect(pool.status().checkedin).toBe(0)
    await expect(pool.query('select 1; begin')).rejects.toThrow('multiple commands')
    expect((await pool.query<Rows>('select pg_current_xact_id_if_assigned() as x')).rows).toEqual([{ x: null }])
  })

  it('is not held up by a statement that is known to be slow where another connection can be had', async () => {
    const pool = pgPool({ poolSize: 2 })
    const text = 'select pg_sleep($1), pg_advisory_lock_shared(11), pg_advisory_unlock_shared(11)'
    await pool.query(text, [0.05])
    await askAll((text, values) => pool.query(text, values), 4, 100)
    await view.query('select pg_advisory_lock(11)')
    const slow = pool.query(text, [0])
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => pool.query<Rows>('select $1::int as n', [n])),
    )
    expect(answers.map(({ rows }) => rows[0]!.n)).toEqual(answers.map((_, n) => n))
    await view.query('select pg_advisory_unlock(11)')
    await slow
  })

  it('is not held up by one that turns out to be slow, but for the few that were sent behind it', async () => {
    const pool = pgPool({ poolSize: 2 })
    await askAll((text, values) => pool.query(text, values), 4, 100)
    await view.query('select pg_advisory_lock(12)')
    const slow = pool.query('select pg_advisory_lock_shared(12), pg_advisory_unlock_shared(12)')
    const answered = { behind: 0 }
    const first = Array.from({ length: 200 }, async (_, n) => {
      await pool.query('select $1::int as n', [n])
      answered.behind++
    })
    await eventually(() => answered.behind).toBeGreaterThan(136)
    await view.query('select pg_sleep(0.02)')
    for (let n = 0; n < 100; n++) await pool.query('select $1::int as n', [n])
    await view.query('select pg_advisory_unlock(12)')
    await Promise.all([slow, ...first])
  })

  it('loses what is in flight when the server ends its session, and no more; the rest goes over new connections', async () => {
    const pool = pgPool({ poolSize: 2 })
    await askAll((text, values) => pool.query(text, values), 4, 100)
    const { rows } = await pool.query<Rows>('select pg_backend_pid() as pid')
    const answers = Array.from({ length: 400 }, (_, n) =>
      pool.query<Rows>(
        n === 5 ? 'select pg_terminate_backend(pg_backend_pid())' : 'select $1::int as n',
        n === 5 ? [] : [n],
      ),
    )
    const outcomes = await Promise.allSettled(answers)
    const lost = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
    for (const { reason } of lost) {
      expect(String(reason.message)).toMatch(
        /terminating connection|Connection terminated unexpectedly|ECONNRESET|EPIPE/,
      )
    }
    expect(lost.length).toBeGreaterThan(0)
    expect(lost.length).toBeLessThanOrEqual(64)
    outcomes.forEach((outcome, n) => {
      if (outcome.status === 'fulfilled') expect(outcome.value.rows).toEqual([{ n }])
    })
    // All connections of that time are replaced.
    expect((await view.pids()).includes(rows[0]!.pid as number)).toBe(false)
    await eventually(() => pool.status().checkedout).toBe(0)
  })

  it('has what was never sent go over another connection, once: where that is lost as well, it fails with the loss', async () => {
    const pool = pgPool({ poolSize: 1 })
    const streams: Socket[] = []
    pool.on('connect', client => {
      streams.push((client as unknown as { connection: { stream: Socket } }).connection.stream)
    })
    const ask = (n: number): Promise<unknown> => pool.query<Rows>('select $1::int as n', [n]).then(({ rows }) => rows)
    await ask(0)
    const answers = [1, 2, 3].map(ask)
    // They are written at the end of this turn, and find no connection then.
    streams[0]!.destroy(new Error('gone'))
    expect(await Promise.all(answers)).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]])
    expect(streams.length).toBe(2)

    const unlucky = failureOf(ask(4))
    streams[1]!.destroy(new Error('gone'))
    pool.on('checkout', () => streams[2]!.destroy(new Error('gone again')))
    expect(await unlucky).toMatchObject({ message: 'gone again' })
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })

  it('cancels at the server what its caller has left, and uses the connection again', async () => {
    const pool = pgPool({ poolSize: 1 })
    const { rows } = await pool.query<Rows>('select pg_backend_pid() as pid')
    const failure = await failureOf(pool.query('select pg_sleep(600)', [], { timeoutMs: 50 }))
    expect(failure).toMatchObject({ code: 'FAIRYPOOL_TIMEOUT', phase: 'query' })
    expect((await pool.query<Rows>('select pg_backend_pid() as pid')).rows).toEqual(rows)
    await eventually(async () => (await view.sessions()).filter(({ state }) => state === 'active').length).toBe(0)
  })

  it('goes on over new connections when the pool is disposed meanwhile, and what is in flight ends well', async () => {
    const pool = pgPool({ poolSize: 2 })
    const asking = askAll((text, values) => pool.query(text, values), 16, 60)
    for (let i = 0; i < 5; i++) {
      await pool.query('select 1')
      await pool.dispose()
    }
    expect(await asking).toEqual({ wrong: [], failed: 96 })
    await pool.dispose()
    await eventually(async () => (await view.pids()).length).toBe(0)
  })

  it('and connect() get on with each other: each has its turns, and no answer is another’s', async () => {
    const pool = pgPool({ poolSize: 2 })
    let isOver = false
    let borrowed = 0
    const borrow = async (): Promise<void> => {
      while (!isOver) {
        await pool.use(async conn => {
          await conn.query('begin')
          const { rows } = await conn.query('select $1::int as n', [++borrowed])
          expect(rows[0].n).toBeLessThanOrEqual(borrowed)
          await conn.query('commit')
        })
      }
    }
    const borrowers = [borrow(), borrow(), borrow()]
    expect(await askAll((text, values) => pool.query(text, values), 16, 60)).toEqual({ wrong: [], failed: 96 })
    isOver = true
    await Promise.all(borrowers)
    expect(borrowed).toBeGreaterThan(10)
    expect([countsOf(pool), pool.status().waiting]).toEqual([[2, 2, 0, 0], 0])
  })
})
