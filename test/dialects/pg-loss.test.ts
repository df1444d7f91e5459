import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { eventually } from '../support/eventually.ts'
import type { Failure } from '../support/failure.ts'
import { openPool } from '../support/open-pool.ts'
import { ServerView } from '../support/server-view.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

let server: PostgresServer
let view: ServerView

beforeAll(async () => {
  server = await startPostgres()
  view = await ServerView.of(server)
})

afterEach(async () => {
  if (server.pid !== undefined) return
  await server.start()
  view = await ServerView.of(server)
})

afterAll(async () => {
  await view.close().catch(() => {})
  await server.remove()
})

const logger = { debug() {}, info() {}, warn() {}, error() {} }

const pgPool = (options: PoolOptions<Client> = {}): QueuePool<Client> =>
  openPool<Client>({ dialect: pg(server.connectionString), poolSize: 2, maxOverflow: 0, logger, ...options })

/** Opens both connections, and gives both back. */
async function warm(pool: QueuePool<Client>): Promise<number[]> {
  const fairies = await Promise.all([pool.connect(), pool.connect()])
  const pids = await Promise.all(fairies.map(fairy => fairy.query<{ pid: number }>('select pg_backend_pid() as pid')))
  for (const fairy of fairies) await fairy.close()
  return pids.map(({ rows }) => rows[0]!.pid)
}

const askPid = (worker: TestWorker): Promise<number> =>
  worker.run(async ({ attach }) => {
    const pool = await attach<Client>()
    return (await pool.use(conn => conn.query('select pg_backend_pid() as pid'))).rows[0].pid as number
  })

describe('a session that an administrator ends', () => {
  it('while it is idle crashes nothing, and is replaced at its next checkout; the others stay', async () => {
    const pool = pgPool()
    const worker = startWorker()
    const [first, second] = await warm(pool)
    await view.terminate(first!)
    await view.terminate(second!)
    await eventually(() => view.pids()).toEqual([])
    const third = await askPid(worker)
    expect([first, second]).not.toContain(third)
    const pids = await warm(pool)
    expect(pids).toHaveLength(2)
    expect(pids).toContain(third)
  })

  it('while a worker asks it: the query fails with its SQLSTATE, the fairy is dead, all of its age are replaced (21, 147)', async () => {
    const pool = pgPool()
    const worker = startWorker()
    const old = await warm(pool)
    const [failure, later, isValid] = await worker.run(async ({ attach, failureOf }) => {
      const conn = await (await attach<Client>()).connect()
      const failure = await failureOf(() => conn.query('select pg_terminate_backend(pg_backend_pid()), pg_sleep(300)'))
      // The report that follows the failure travels behind it.
      while (conn.isValid) await new Promise(setImmediate)
      const later = await failureOf(() => conn.query('select 1'))
      await conn.close()
      return [failure, later, conn.isValid] as const
    })
    expect(failure).toMatchObject({ code: '57P01', message: 'terminating connection due to administrator command' })
    expect(later).toMatchObject({ class: 'InvalidRequestError' })
    expect(isValid).toBe(false)
    const pids = await warm(pool)
    expect(pids).toHaveLength(2)
    for (const pid of pids) expect(old).not.toContain(pid)
  })

  it('while it is lent and quiet: it is not lent again, even if nobody has noticed', async () => {
    const pool = pgPool({ poolSize: 1 })
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => void keep('conn', await (await attach<Client>()).connect()))
    const [pid] = await view.pids()
    await view.terminate(pid!)
    await eventually(() => view.pids()).toEqual([])
    const next = pool.connect()
    await worker.run(({ kept }) => kept<Fairy<Client>>('conn').close())
    const survivor = await next
    expect((await survivor.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await survivor.close()
  })

  it('is found by a ping, where the driver has not noticed it yet (165, 167)', async () => {
    const pool = pgPool({ prePing: true })
    const worker = startWorker()
    const old = await warm(pool)
    for (const pid of old) await view.terminate(pid)
    const pids = [await askPid(worker), await askPid(worker)]
    for (const pid of pids) expect(old).not.toContain(pid)
  })
})

describe.each(['crashes', 'is stopped'] as const)('a server that %s', how => {
  const down = (): Promise<void> => (how === 'crashes' ? server.kill() : server.stop())

  it('fails what is in flight, refuses what comes while it is down, and is found again when it is back', async () => {
    const pool = pgPool()
    const worker = startWorker()
    const old = await warm(pool)
    const asked = worker.run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      const both = await Promise.all([pool.connect(), pool.connect()])
      const waiting = failureOf(() => pool.connect())
      const inFlight = both.map(conn => failureOf(() => conn.query('select pg_sleep(300)')))
      const failures = await Promise.all([...inFlight, waiting])
      for (const conn of both) await conn.close()
      return failures
    })
    await eventually(async () => (await view.sessions()).filter(({ state }) => state === 'active').length).toBe(2)
    await view.close()
    await down()
    const failures = (await asked) as readonly Failure[]
    for (const failure of failures.slice(0, 2))
      expect(`${failure.code} ${failure.message}`).toMatch(/57P0|ECONN|terminated/)
    expect(`${failures[2]!.code} ${failures[2]!.message}`).toMatch(/ECONN|57P0|terminated/)
    const whileDown = await worker.run(({ attach, failureOf }) =>
      failureOf(async () => (await attach<Client>()).connect()),
    )
    expect(whileDown.code).toBe('ECONNREFUSED')
    expect(pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
    await server.start()
    view = await ServerView.of(server)
    const pids = [await askPid(worker), ...(await warm(pool))]
    for (const pid of pids) expect(old).not.toContain(pid)
    expect(pool.status()).toMatchObject({ checkedin: 2, checkedout: 0 })
  })

  it('while all is idle goes unnoticed by the process; the next checkout opens anew', async () => {
    const pool = pgPool()
    const worker = startWorker()
    const old = await warm(pool)
    await view.close()
    await down()
    await server.start()
    view = await ServerView.of(server)
    expect(old).not.toContain(await askPid(worker))
    expect(pool.status()).toMatchObject({ checkedin: 2, checkedout: 0 })
  })
})
