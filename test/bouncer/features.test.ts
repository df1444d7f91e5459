import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { createPool } from '../../src/coordinator/create-pool.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'
import { Bouncers, isInstalled, ways } from './bounced.ts'

const own = OwnServer.forThisFile()
const bouncers = Bouncers.forThisFile(own)

/** A worker that has attached to the pool of the test. */
async function attached(): Promise<TestWorker> {
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => void keep('pool', await attach<Client>()))
  return worker
}

describe.skipIf(!isInstalled).each(ways)('behind a PgBouncer in %s mode, transport %s:', (mode, transport) => {
  it('queries with values, and what they return', async () => {
    bouncers.pool(mode, transport)
    const worker = await attached()
    const seen = await worker.run(async ({ kept }) => {
      const pool = kept<PoolClient<Client>>('pool')
      const rows = await pool.use(async conn => (await conn.query('select $1::int as n, $2 as text', [7, 'ü'])).rows)
      return { rows, transport: (await pool.status()).transports[0]?.transport }
    })
    expect(seen).toEqual({ rows: [{ n: 7, text: 'ü' }], transport })
  })

  it('transactions of many threads: each is all on one connection, and one left open is rolled back', async () => {
    const pool = bouncers.pool(mode, transport)
    await pool.use(conn => conn.query('drop table if exists kept; create table kept (n int)'))
    const workers = await Promise.all([attached(), attached(), attached()])
    const rounds = workers.map(worker =>
      worker.run(async ({ kept }) => {
        const pool = kept<PoolClient<Client>>('pool')
        const pids: unknown[][] = []
        for (let round = 0; round < 20; round++) {
          const conn = await pool.connect()
          await conn.query('begin')
          await conn.query('insert into kept values ($1)', [round])
          const both = [
            await conn.query('select pg_backend_pid() as pid'),
            await conn.query('select pg_backend_pid() as pid'),
          ]
          pids.push(both.map(({ rows }) => rows[0].pid))
          if (round % 2 === 0) await conn.query('commit')
          await conn.close()
        }
        return pids.every(([a, b]) => a === b)
      }),
    )
    expect(await Promise.all(rounds)).toEqual([true, true, true])
    expect(await pool.query('select count(*)::int as n from kept')).toMatchObject({ rows: [{ n: 30 }] })
  })

  it('pool.query(): each statement gets its own answer, or its own failure', async () => {
    bouncers.pool(mode, transport)
    const workers = await Promise.all([attached(), attached()])
    const wrong = workers.map(worker =>
      worker.run(async ({ kept }) => {
        const pool = kept<PoolClient<Client>>('pool')
        const ask = async (n: number): Promise<boolean> => {
          const text = n % 3 === 0 ? 'select $1::int as n, 1 / $2::int' : 'select $1::int as n, $2::int'
          const fails = n % 3 === 0 && n % 2 === 0
          const answer = await pool.query<{ rows: { n: number }[] }>(text, [n, fails ? 0 : 1]).catch(error => error)
          return fails ? answer.code === '22012' : answer.rows[0].n === n
        }
        const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => ask(n)))
        return answers.filter(isRight => !isRight).length
      }),
    )
    expect(await Promise.all(wrong)).toEqual([0, 0])
  })

  it('named statements, wherever the next one goes', async () => {
    bouncers.pool(mode, transport)
    const worker = await attached()
    const failures = await worker.run(async ({ kept }) => {
      const pool = kept<PoolClient<Client>>('pool')
      const failures = new Set<string>()
      for (let round = 0; round < 20; round++) {
        const both = await Promise.all([pool.connect(), pool.connect()])
        const asked = both.map(async conn => {
          const { rows } = await conn.query({ name: 'same', text: 'select $1::int as n', values: [round] })
          if (rows[0].n !== round) failures.add('wrong')
        })
        for (const end of await Promise.allSettled(asked)) if (end.status === 'rejected') failures.add(`${end.reason}`)
        for (const conn of both) await conn.close()
      }
      return [...failures]
    })
    expect(failures).toEqual([])
  })

  it('cursors', async () => {
    bouncers.pool(mode, transport)
    const worker = await attached()
    const sum = await worker.run(({ kept }) =>
      kept<PoolClient<Client>>('pool').use(async conn => {
        let sum = 0
        const rows = conn.cursor<{ n: number }>('select * from generate_series(1, $1) n', [1000], { batchSize: 100 })
        for await (const { n } of rows) sum += n
        return sum
      }),
    )
    expect(sum).toBe(500_500)
  })

  it.skipIf(transport === 'remote')('COPY', async () => {
    const pool = bouncers.pool(mode, transport)
    await pool.use(conn => conn.query('drop table if exists copied; create table copied (n int)'))
    const worker = await attached()
    await worker.run(({ kept, require }) =>
      kept<PoolClient<Client>>('pool').use(async conn => {
        const { from } = require('pg-copy-streams') as typeof import('pg-copy-streams')
        const stream = conn.query(from('copy copied from stdin'))
        stream.end('5\n6\n')
        await new Promise((resolve, reject) => stream.once('finish', resolve).once('error', reject))
      }),
    )
    expect(await pool.query('select sum(n)::int as sum from copied')).toMatchObject({ rows: [{ sum: 11 }] })
  })

  it('a statement that nobody waits for is cancelled at the server', async () => {
    const pool = bouncers.pool(mode, transport)
    const worker = await attached()
    const failure = await worker.run(({ kept, failureOf }) =>
      failureOf(() => kept<PoolClient<Client>>('pool').query('select pg_sleep(600)', [], { timeoutMs: 100 })),
    )
    expect(failure.class).toBe('TimeoutError')
    await eventually(() => running('pg_sleep')).toEqual([])
    // A thread that dies now would close its cancel request before it is answered: PgBouncer 1.18 falls over that (pgbouncer#801).
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0 })
  })

  it('what a dead thread ran is cancelled at the server, and its connection replaced', async () => {
    const pool = bouncers.pool(mode, transport, { poolSize: 1 })
    const worker = await attached()
    worker.runToDeath(async ({ kept }) => {
      const conn = await kept<PoolClient<Client>>('pool').connect()
      await conn.query('begin')
      await conn.query('select pg_sleep(600)')
    })
    await eventually(() => running('pg_sleep')).toHaveLength(1)
    await worker.terminate()
    expect(await pool.query('select 1 as one')).toMatchObject({ rows: [{ one: 1 }] })
    await eventually(() => running('pg_sleep')).toEqual([])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })

  it('a PgBouncer that is restarted: what was lent fails once, and the next caller gets a new connection', async () => {
    const pool = bouncers.pool(mode, transport, { prePing: true })
    const worker = await attached()
    const ask = (): Promise<unknown> =>
      worker.run(({ kept }) =>
        kept<PoolClient<Client>>('pool').use(async conn => (await conn.query('select 1 as n')).rows),
      )
    expect(await ask()).toEqual([{ n: 1 }])
    await bouncers.at(mode).restart()
    expect(await ask()).toEqual([{ n: 1 }])
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0 })
  })

  it('a startup parameter that PgBouncer does not know is refused by name, at once', async () => {
    bouncers.pool(mode, transport)
    const { config } = bouncers.at(mode)
    const strict = createPool({ dialect: pg({ ...config, statement_timeout: 1000 }, { pooler: mode }) })
    await expect(strict.connect()).rejects.toThrow('unsupported startup parameter: statement_timeout')
    await strict.dispose()
  })
})

/** What sessions of the server run that contains this text. */
async function running(text: string): Promise<string[]> {
  const sessions = await own.view.sessions()
  return sessions.filter(({ state, query }) => state === 'active' && query.includes(text)).map(({ query }) => query)
}
