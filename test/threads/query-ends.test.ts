import type { Client, QueryResult } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { ServerView } from '../support/server-view.ts'
import { startWorker } from '../support/start-worker.ts'

type Rows = QueryResult<Record<string, unknown>>

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

const transports: [string, Partial<PoolOptions<Client>>][] = [
  ['direct', {}],
  ['remote', { transport: 'remote' }],
]

describe.each(transports)(
  'query() and connect() in threads that storm the same connection, transport %s,',
  (_, transport) => {
    it('each get their turns, whichever are more', async () => {
      const pool = pgPool({ ...transport, poolSize: 1 })
      const stop = new Int32Array(new SharedArrayBuffer(4))
      for (const storming of ['query', 'connect'] as const) {
        Atomics.store(stop, 0, 0)
        const storms = [1, 2].map(() => {
          const worker = startWorker()
          const over = worker.run(
            async ({ attach, say }, stop, storming) => {
              const pool = await attach<Client>()
              const once = (): Promise<unknown> =>
                storming === 'query' ? pool.query('select 1') : pool.use(conn => conn.query('select 1'))
              let rounds = 0
              const task = async (): Promise<void> => {
                for (; Atomics.load(stop, 0) === 0; rounds++) await once()
              }
              const tasks = Array.from({ length: 16 }, task)
              say('storming')
              await Promise.all(tasks)
              return rounds
            },
            stop,
            storming,
          )
          return { over, begun: worker.hear() }
        })
        await Promise.all(storms.map(({ begun }) => begun))
        const served = await startWorker().run(async ({ attach }, storming) => {
          const pool = await attach<Client>()
          for (let n = 0; n < 30; n++) {
            if (storming === 'connect') await pool.query('select 2')
            else await pool.use(conn => conn.query('select 2'))
          }
          return 30
        }, storming)
        Atomics.store(stop, 0, 1)
        const rounds = await Promise.all(storms.map(({ over }) => over))
        expect([served, rounds.every(count => count > 0)]).toEqual([30, true])
      }
      expect([pool.status().checkedout, pool.status().waiting]).toEqual([0, 0])
    })
  },
)

describe.each(transports)('the end of a thread with statements under way, transport %s,', (_, transport) => {
  it('by the end of the sharing: its callers are told, and the pool goes on', async () => {
    const pool = pgPool({ ...transport, poolSize: 1 })
    const fairy = await pool.connect()
    const worker = startWorker()
    const failed = worker.run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      return Promise.all([1, 2].map(n => failureOf(() => pool.query('select $1::int', [n]))))
    })
    await eventually(() => pool.status().waiting).toBe(2)
    pool.unshare()
    expect(await failed).toMatchObject([{ class: 'CoordinatorLostError' }, { class: 'CoordinatorLostError' }])
    expect(pool.status().waiting).toBe(0)
    await fairy.close()
    expect((await pool.query<Rows>('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('does not come before the answer it waits for: a statement in flight keeps it alive', async () => {
    pgPool(transport)
    const worker = startWorker()
    await worker.run(async ({ attach, keep, say }) => {
      const pool = keep('pool', await attach<Client>())
      pool.query('select pg_sleep(0.1)').then(() => say('answered'))
    })
    const heard = worker.hear()
    worker.release()
    expect(await heard).toBe('answered')
    expect(await worker.exited).toBe(0)
  })
})

describe('the death of a thread whose statements the coordinator runs', () => {
  it('drops those that wait and lets those that run end unseen, and nobody else is concerned', async () => {
    await view.query('create table traces (what text)')
    const pool = pgPool({ transport: 'remote', poolSize: 1 })
    await view.query('select pg_advisory_lock(21)')
    const dying = startWorker()
    dying.runToDeath(async ({ attach }) => {
      const pool = await attach<Client>()
      const hold = 'insert into traces select $1 from pg_advisory_lock_shared(21), pg_advisory_unlock_shared(21)'
      await Promise.all([pool.query(hold, ['sent']), pool.query("insert into traces values ('waiting')")])
    })
    await eventually(async () => (await view.sessions()).filter(({ state }) => state === 'active').length).toBe(1)
    await eventually(() => pool.status().waiting).toBe(1)
    const other = startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      return (await pool.query<Rows>('select 7 as n')).rows
    })
    await eventually(() => pool.status().waiting).toBe(2)
    await dying.terminate()
    await eventually(() => pool.status().waiting).toBe(1)
    expect(pool.status().checkedout).toBe(1)
    await view.query('select pg_advisory_unlock(21)')
    expect(await other).toEqual([{ n: 7 }])
    expect(await view.query('select what from traces')).toEqual([{ what: 'sent' }])
    expect(pool.status().checkedout).toBe(0)
  })
})
