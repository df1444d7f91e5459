import { inspect } from 'node:util'
import { getEnvironmentData, MessagePort } from 'node:worker_threads'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { environmentKey } from '../../src/protocol/messages.ts'
import { openPool } from '../support/open-pool.ts'
import { startWorker } from '../support/start-worker.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.remove())

const pgPool = (poolSize = 1): QueuePool<Client> =>
  openPool<Client>({ dialect: pg(server.connectionString), transport: 'remote', poolSize, maxOverflow: 0 })

describe('queries of pg from a worker', () => {
  it('are prepared once on each connection when they have a name, whichever thread asks', async () => {
    const pool = pgPool()
    const ask = { name: 'add', text: 'select $1::int + 1 as n' }
    const sums: unknown[] = []
    for (const worker of [startWorker(), startWorker()]) {
      sums.push(
        ...(await worker.run(async ({ attach }, ask) => {
          const pool = await attach<Client>()
          const sum = async (n: number): Promise<number> =>
            (await pool.use(conn => conn.query({ ...ask, values: [n] }))).rows[0].n
          return [await sum(1), await sum(2)]
        }, ask)),
      )
    }
    sums.push((await pool.use(conn => conn.query({ ...ask, values: [3] }))).rows[0].n)
    expect(sums).toEqual([2, 3, 2, 3, 4])
    const prepared = await pool.use(conn =>
      conn.query('select name, (generic_plans + custom_plans)::int as uses from pg_prepared_statements'),
    )
    expect(prepared.rows).toEqual([{ name: 'add', uses: 5 }])
  })

  it("fail with the driver's own words when a name has two texts, and work after the connection was replaced", async () => {
    pgPool()
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      const conn = await pool.connect()
      await conn.query({ name: 'q', text: 'select 1 as n' })
      const failure = await failureOf(() => conn.query({ name: 'q', text: 'select 2 as n' }))
      const still = (await conn.query({ name: 'q', text: 'select 1 as n' })).rows
      await conn.invalidate()
      const next = await pool.connect()
      const again = (await next.query({ name: 'q', text: 'select 2 as n' })).rows
      await next.close()
      return { failure, still, again }
    })
    expect(seen).toMatchObject({
      failure: { message: expect.stringContaining('must be unique') },
      still: [{ n: 1 }],
      again: [{ n: 2 }],
    })
  })

  it('give arrays for rowMode, a result for each statement, and many answers in the order of their questions', async () => {
    pgPool()
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      return pool.use(async conn => {
        const arrays = await conn.query({ text: 'select 1 as a, 2 as b', rowMode: 'array' })
        const several = (await conn.query('select 1 as a; select 2 as b')) as unknown as { rows: unknown[] }[]
        const many = await Promise.all([1, 2, 3, 4, 5].map(n => conn.query('select $1::int as n', [n])))
        return {
          arrays: arrays.rows,
          several: several.map(each => each.rows),
          many: many.map(each => each.rows[0].n as number),
        }
      })
    })
    expect(seen).toEqual({ arrays: [[1, 2]], several: [[{ a: 1 }], [{ b: 2 }]], many: [1, 2, 3, 4, 5] })
  })

  it('can have no parsers and callbacks of their own, and say so', async () => {
    pgPool()
    const failures = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      return pool.use(async conn => [
        await failureOf(() => conn.query({ text: 'select 1', types: { getTypeParser: () => String } } as never)),
        await failureOf(() => (conn.query as (...args: unknown[]) => Promise<unknown>)('select 1', () => {})),
      ])
    })
    for (const failure of failures) expect(failure).toMatchObject({ class: 'NotClonableError' })
  })
})

it('the password is in nothing that can be looked at, on the coordinator or in a worker, nor in any message', async () => {
  const password = new URL(server.connectionString).password
  const posted: string[] = []
  const { postMessage } = MessagePort.prototype
  MessagePort.prototype.postMessage = function (this: MessagePort, ...args: Parameters<typeof postMessage>) {
    posted.push(inspect(args, { depth: 20 }))
    return Reflect.apply(postMessage, this, args)
  } as typeof postMessage
  onTestFinished(() => {
    MessagePort.prototype.postMessage = postMessage
  })
  const dialect = pg(server.connectionString)
  const pool = openPool<Client>({ dialect, poolSize: 2, maxOverflow: 0, traceCheckouts: true })
  const records: unknown[] = []
  pool.on('connect', (_connection, record) => records.push(record))
  const fairy = await pool.connect()
  const there = await startWorker().run(async ({ attach, require }) => {
    const { inspect } = require('node:util') as typeof import('node:util')
    const { getEnvironmentData, workerData } = require('node:worker_threads') as typeof import('node:worker_threads')
    const pool = await attach<Client>()
    const fairy = await pool.connect()
    await fairy.query('select 1')
    const failure = await fairy.query('select 1/0').catch((error: unknown) => error)
    const late = await pool.connect({ timeoutMs: 1 }).catch((error: unknown) => error)
    const all = [pool, fairy, fairy.info, failure, late, workerData, getEnvironmentData('fairypool.pools')]
    return all.map(each => inspect(each, { depth: 20, showHidden: true }))
  })
  const late = await pool.connect({ timeoutMs: 1 }).catch((error: unknown) => error)
  const looks = { depth: 20 }
  const here = [pool, dialect, fairy, fairy.self, records, late, pool.status(), getEnvironmentData(environmentKey)].map(
    each => inspect(each, looks),
  )
  here.push(JSON.stringify(fairy), JSON.stringify(pool.status()), String(dialect))
  await fairy.close()
  expect(password).toMatch(/^[0-9a-f]{32}$/)
  expect(posted.length).toBeGreaterThan(5)
  for (const text of [...here, ...there, ...posted]) expect(text).not.toContain(password)
})
