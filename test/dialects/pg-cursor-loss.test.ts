import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { eventually } from '../support/eventually.ts'
import { failureOf } from '../support/failure.ts'
import { openPool } from '../support/open-pool.ts'
import { startWorker } from '../support/start-worker.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.remove())

/** The driver's own connection to the server: nothing of it is declared. */
interface Wire {
  close(what: object): void
  readonly stream: { destroy(): void }
}

const logger = { debug() {}, info() {}, warn() {}, error() {} }

/** A pool whose first connection ends at the moment at which a cursor has its portal closed: after its last row, or half-way. */
function breakingPool(): QueuePool<Client> {
  const own = { transport: 'remote', poolSize: 1, maxOverflow: 0, logger } as const
  const pool = openPool<Client>({ dialect: pg(server.connectionString), ...own })
  pool.once('connect', client => {
    const wire = Reflect.get(client, 'connection') as unknown as Wire
    const close = wire.close.bind(wire)
    wire.close = what => {
      close(what)
      wire.stream.destroy()
    }
  })
  return pool
}

const series = 'select n from generate_series(1, 10) n'
const terminated = { message: expect.stringMatching(/^Connection terminated/) }

/** The place is not lost, and its next connection is a good one. */
async function expectReplaced(pool: QueuePool<Client>): Promise<void> {
  await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  expect((await pool.use(conn => conn.query('select 1 as one'))).rows).toEqual([{ one: 1 }])
}

describe('a cursor whose connection ends with its portal, on the coordinator', () => {
  it('fails who reads the last batch', async () => {
    const pool = breakingPool()
    const conn = await pool.connect()
    const cursor = conn.cursor(series, [])
    expect(await failureOf(() => cursor.next())).toMatchObject(terminated)
    await conn.close()
    await expectReplaced(pool)
  })

  it('is closed as well as one can close it', async () => {
    const pool = breakingPool()
    const conn = await pool.connect()
    const cursor = conn.cursor(series, [], { batchSize: 2 })
    expect(await cursor.next()).toEqual({ done: false, value: { n: 1 } })
    await cursor.close()
    await cursor.close()
    expect(await cursor.next()).toEqual({ done: true, value: undefined })
    await conn.close()
    await expectReplaced(pool)
  })

  it('keeps no close of its fairy waiting', async () => {
    const pool = breakingPool()
    const conn = await pool.connect()
    await conn.cursor(series, [], { batchSize: 2 }).next()
    await conn.close()
    await expectReplaced(pool)
  })
})

describe('a cursor whose connection ends with its portal, in a worker', () => {
  it('fails who reads the last batch', async () => {
    const pool = breakingPool()
    const failure = await startWorker().run(async ({ attach, failureOf }, series) => {
      const conn = await (await attach<Client>()).connect()
      const cursor = conn.cursor(series, [])
      const failure = await failureOf(() => cursor.next())
      await conn.close()
      return failure
    }, series)
    expect(failure).toMatchObject(terminated)
    await expectReplaced(pool)
  })

  it('is closed as well as one can close it, and keeps no close of its fairy waiting', async () => {
    const pool = breakingPool()
    const seen = await startWorker().run(async ({ attach }, series) => {
      const conn = await (await attach<Client>()).connect()
      const cursor = conn.cursor(series, [], { batchSize: 2 })
      const first = await cursor.next()
      await cursor.close()
      const last = await cursor.next()
      await conn.close()
      return [first, last]
    }, series)
    expect(seen).toEqual([
      { done: false, value: { n: 1 } },
      { done: true, value: undefined },
    ])
    await expectReplaced(pool)
  })
})
