import { setImmediate } from 'node:timers/promises'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { RowCursor } from '../../src/fairies/row-cursor.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { eventually } from '../support/eventually.ts'
import { LeaseWatch } from '../support/lease-watch.ts'
import { openPool } from '../support/open-pool.ts'
import { poolWarnings } from '../support/pool-warnings.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { ServerView } from '../support/server-view.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

let server: PostgresServer
let view: ServerView

beforeAll(async () => {
  server = await startPostgres()
  view = await ServerView.of(server)
  await view.query('create table books (n int)')
})

afterAll(async () => {
  await view.close()
  await server.remove()
})

function toyPool(options: PoolOptions<ToyConnection> = {}) {
  const { creator, made } = toyCreator()
  const pool = openPool<ToyConnection>({ creator, poolSize: 3, maxOverflow: 0, ...options })
  return { pool, made, watch: new LeaseWatch(pool) }
}

const pgPool = (poolSize: number): QueuePool<Client> =>
  openPool<Client>({ dialect: pg(server.connectionString), poolSize, maxOverflow: 0 })

/** Collects garbage in the worker until leases have ended as expected. */
const collectedUntil = (worker: TestWorker, watch: LeaseWatch) =>
  eventually(async () => {
    await worker.run(({ collect }) => collect())
    return watch.reasons
  })

/** Borrows and forgets: when this one has come home by collection, whatever else was garbage by then has too. */
async function provesThatNothingElseIsLost(worker: TestWorker, watch: LeaseWatch): Promise<void> {
  const before = watch.reasons
  await worker.run(async ({ attach }) => void (await (await attach()).uniqueConnection()))
  await collectedUntil(worker, watch).toEqual([...before, 'collected'])
  // Once more, with a heap that is swept clean.
  await worker.run(({ collect }) => collect())
  await worker.run(({ collect }) => collect())
  expect(watch.reasons).toEqual([...before, 'collected'])
}

describe('a fairy that a worker has forgotten', () => {
  it('comes home as if it had been closed: reset, checkin, once (271, 272)', async () => {
    const { pool, watch, made } = toyPool({ poolSize: 1 })
    const events: string[] = []
    pool.on('reset', () => events.push('reset'))
    pool.on('checkin', connection => events.push(connection ? 'checkin' : 'checkin of nothing'))
    const worker = startWorker()
    await worker.run(async ({ attach }) => {
      const pool = await attach()
      await (await pool.connect()).close()
      await pool.connect()
    })
    await collectedUntil(worker, watch).toEqual(['closed', 'collected'])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    expect(events).toEqual(['reset', 'checkin', 'reset', 'checkin'])
    expect(made[0]!.log).toEqual(['rollback', 'rollback'])
    expect(watch.ends[1]).toMatchObject({ threadId: worker.threadId, pool })
    expect(watch.ends[1]!.heldMs).toBeGreaterThan(0)
  })

  it('has its transaction rolled back on the server, and its session is lent again', async () => {
    const pool = pgPool(1)
    const watch = new LeaseWatch(pool)
    const worker = startWorker()
    const pid = await worker.run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      await conn.query('begin')
      await conn.query('insert into books values (1)')
      return (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
    })
    expect(await view.sessions()).toMatchObject([{ pid, state: 'idle in transaction' }])
    await collectedUntil(worker, watch).toEqual(['collected'])
    const next = await pool.connect()
    expect((await next.query('select pg_backend_pid() as pid')).rows).toEqual([{ pid }])
    expect((await next.query('select count(*)::int as n from books')).rows).toEqual([{ n: 0 }])
    await next.close()
  })

  it('goes to the next waiter', async () => {
    const { pool, watch } = toyPool({ poolSize: 1 })
    const worker = startWorker()
    await worker.run(async ({ attach }) => void (await (await attach()).connect()))
    const waiting = pool.connect()
    await collectedUntil(worker, watch).toEqual(['collected'])
    expect(await (await waiting).whoami()).toBe(1)
    await (await waiting).close()
  })

  it('is closed for good when it was detached (231)', async () => {
    const { pool, watch, made } = toyPool({ poolSize: 1 })
    const events: string[] = []
    pool.on('closeDetached', () => events.push('closeDetached'))
    const worker = startWorker()
    await worker.run(async ({ attach }) => (await (await attach()).connect()).detach())
    await collectedUntil(worker, watch).toEqual(['detached', 'collected'])
    await eventually(() => made[0]!.log).toEqual(['rollback', 'close'])
    expect(events).toEqual(['closeDetached'])
  })

  it('is nothing any more when its lease has ended otherwise: the next holder is not touched (272)', async () => {
    const { pool, watch, made } = toyPool({ poolSize: 1 })
    const records: { invalidate(): Promise<void> }[] = []
    pool.on('checkout', (_connection, record) => records.push(record))
    const worker = startWorker()
    await worker.run(async ({ attach }) => void (await (await attach()).connect()))
    await records[0]!.invalidate()
    const number = await worker.run(async ({ attach, keep }) => {
      const toy = keep('toy', (await (await attach()).connect()) as RemoteToy)
      return (await toy.whoami!()) as number
    })
    await worker.run(({ collect }) => collect())
    await worker.run(({ collect }) => collect())
    expect(number).toBe(2)
    expect(watch.reasons).toEqual(['invalidated'])
    expect(made.map(each => each.state)).toEqual(['closed', 'open'])
  })
})

describe('a fairy is kept by', () => {
  it('a call in flight, until it has settled', async () => {
    const { watch, made } = toyPool()
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const toy = (await (await attach()).connect()) as RemoteToy
      keep('outcome', toy.hold!())
    })
    await provesThatNothingElseIsLost(worker, watch)
    made[0]!.letGo()
    expect(await worker.run(({ kept }) => kept<Promise<string>>('outcome'))).toBe('let go')
    await collectedUntil(worker, watch).toEqual(['collected', 'collected'])
  })

  it('a handle, and by what was made of it', async () => {
    const { watch } = toyPool()
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const toy = (await (await attach()).connect()) as RemoteToy
      const statement = (await toy.prepare!('one')) as RemoteToy
      keep('other', (await statement.other!('two')) as RemoteToy)
    })
    await provesThatNothingElseIsLost(worker, watch)
    const ran = await worker.run(async ({ kept, drop }) => {
      const ran = (await kept<RemoteToy>('other').run!()) as { text: string }
      drop('other')
      return ran
    })
    expect(ran).toMatchObject({ text: 'one, two' })
    await collectedUntil(worker, watch).toEqual(['collected', 'collected'])
  })

  it('a stream that is being read', async () => {
    const { watch } = toyPool()
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const toy = (await (await attach()).connect()) as RemoteToy
      const rows = keep('rows', ((await toy.rows!(3)) as RemoteToy)[Symbol.asyncIterator]())
      await rows.next()
    })
    await provesThatNothingElseIsLost(worker, watch)
    const row = await worker.run(async ({ kept, drop }) => {
      const row = await kept<AsyncIterator<{ row: number }>>('rows').next()
      drop('rows')
      return row
    })
    expect(row).toEqual({ done: false, value: { row: 2 } })
    await collectedUntil(worker, watch).toEqual(['collected', 'collected'])
  })

  it('an open cursor, and by a read of one that nobody holds; when it is lost its portal is closed', async () => {
    const pool = pgPool(3)
    const watch = new LeaseWatch(pool)
    const worker = startWorker()
    // The read waits for it, however long the rest takes.
    await view.query('select pg_advisory_lock(7)')
    await worker.run(async ({ attach, keep }) => {
      const conn = await (await attach<Client>()).connect()
      const cursor = keep(
        'cursor',
        conn.cursor<{ n: number }>('select n from generate_series(1, 1000) n', [], { batchSize: 2 }),
      )
      await cursor.next()
      const other = await (await attach<Client>()).connect()
      keep('read', other.cursor("select 'read' as word from pg_advisory_lock(7)").next())
    })
    await provesThatNothingElseIsLost(worker, watch)
    await view.query('select pg_advisory_unlock(7)')
    const seen = await worker.run(async ({ kept, drop }) => {
      const cursor = kept<RowCursor<{ n: number }>>('cursor')
      const rows = [await cursor.next(), await cursor.next(), await kept<Promise<unknown>>('read')]
      drop('cursor')
      drop('read')
      return rows
    })
    expect(seen).toMatchObject([{ value: { n: 2 } }, { value: { n: 3 } }, { value: { word: 'read' } }])
    await collectedUntil(worker, watch).toEqual(['collected', 'collected', 'collected'])
    await eventually(() => pool.status().checkedout).toBe(0)
    expect((await pool.use(conn => conn.query('select 1 as one'))).rows).toEqual([{ one: 1 }])
    expect(await view.sessions()).toHaveLength(3)
  })
})

describe('the warning about a lost fairy', () => {
  it('is given once for each place, with the stack of the checkout, when traceCheckouts is on', async () => {
    const { watch } = toyPool({ traceCheckouts: true })
    const worker = startWorker()
    await worker.run(async ({ attach }) => {
      const pool = await attach()
      async function forgetful(): Promise<void> {
        await pool.connect()
      }
      async function absentMinded(): Promise<void> {
        await pool.uniqueConnection()
      }
      await forgetful()
      await forgetful()
      await absentMinded()
    })
    await collectedUntil(worker, watch).toEqual(['collected', 'collected', 'collected'])
    const warnings = await worker.run(({ warnings }) => [...warnings])
    const details = warnings.map(({ detail }) => String(detail)).sort()
    expect(warnings.map(({ code }) => code)).toEqual(['FAIRYPOOL_LOST_FAIRY', 'FAIRYPOOL_LOST_FAIRY'])
    expect(details).toEqual([expect.stringMatching(/at absentMinded/), expect.stringMatching(/at forgetful/)])
    // The first line is the user's own, not ours.
    for (const detail of details) expect(detail.split('\n')[1]).toMatch(/absentMinded|forgetful/)
    for (const { message } of warnings) expect(message).toContain('never closed')
  })

  it('is not given when it is off', async () => {
    const { watch } = toyPool()
    const worker = startWorker()
    await worker.run(async ({ attach }) => void (await (await attach()).connect()))
    await collectedUntil(worker, watch).toEqual(['collected'])
    expect(await worker.run(({ warnings }) => [...warnings])).toEqual([])
  })
})

describe("on the coordinator's own thread", () => {
  const collected = (watch: LeaseWatch) =>
    eventually(async () => {
      await setImmediate()
      globalThis.gc!()
      return watch.reasons
    })

  it('a forgotten fairy comes home too, reset and warned about', async () => {
    const { pool, watch, made } = toyPool({ traceCheckouts: true })
    const warnings = poolWarnings()
    async function forgetful(): Promise<void> {
      await pool.connect()
    }
    await forgetful()
    await forgetful()
    await collected(watch).toEqual(['collected', 'collected'])
    expect(made.map(each => each.log)).toEqual([['rollback'], ['rollback']])
    expect(await warnings.soFar()).toMatchObject([
      { code: 'FAIRYPOOL_LOST_FAIRY', detail: expect.stringMatching(/\n.*forgetful/) },
    ])
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, checkedin: 2 })
  })

  it('a call in flight and a stream keep it', async () => {
    const { pool, watch, made } = toyPool()
    let call: Promise<string> | undefined
    let rows: AsyncIterable<unknown> | undefined
    await (async () => {
      call = (await pool.connect()).hold()
      rows = (await pool.connect()).rows(2)
      await pool.connect()
    })()
    await collected(watch).toEqual(['collected'])
    await collected(watch).toEqual(['collected'])
    made[0]!.letGo()
    expect(await call).toBe('let go')
    await collected(watch).toEqual(['collected', 'collected'])
    for await (const row of rows!) expect(row).toMatchObject({ row: expect.any(Number) })
    rows = undefined
    await collected(watch).toEqual(['collected', 'collected', 'collected'])
  })
})
