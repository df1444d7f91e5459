import type { Client, QueryResult } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { kind } from '../../src/protocol/messages.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { countPosts } from '../support/post-counter.ts'
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

const remote = { transport: 'remote' } as const

const transports: [string, Partial<PoolOptions<Client>>][] = [
  ['direct', {}],
  ['remote', remote],
]

describe.each(transports)('query() in a worker, transport %s,', (_, transport) => {
  it('answers each of many tasks of many threads with its own answer or its own failure', async () => {
    const pool = pgPool(transport)
    const outcomes = await Promise.all(
      [1, 2, 3, 4].map(thread =>
        startWorker().run(async ({ attach }, thread) => {
          const pool = await attach<Client>()
          const wrong: unknown[] = []
          let failed = 0
          const task = async (task: number): Promise<void> => {
            for (let i = 0; i < 40; i++) {
              const id = thread * 100_000 + task * 100 + i
              try {
                const { rows } = await pool.query<Rows>('select $1::int as id, 10 / $2::int as ten', [id, i % 10])
                if (rows.length !== 1 || rows[0]!.id !== id) wrong.push([id, rows])
              } catch (error) {
                if ((error as { code?: unknown }).code === '22012' && i % 10 === 0) failed++
                else wrong.push([id, String(error)])
              }
            }
          }
          await Promise.all(Array.from({ length: 32 }, (_, number) => task(number)))
          return { wrong, failed }
        }, thread),
      ),
    )
    expect(outcomes).toEqual(Array.from({ length: 4 }, () => ({ wrong: [], failed: 128 })))
    // What had been asked for may still come when nothing needs it any more.
    await eventually(() => [pool.status().checkedout, pool.status().waiting]).toEqual([0, 0])
  })

  it('gives what the driver gives, in few rows and in many, with Buffers that are Buffers', async () => {
    pgPool(transport)
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      const text = 'select n, $2::bytea as bytes, now() as at from generate_series(1, $1::int) n'
      const few = await pool.query<Rows>(text, [2, Buffer.from('abc')])
      const many = await pool.query<Rows>(text, [20, Buffer.from('abc')])
      return [few, many].map(({ command, rowCount, rows, fields }) => {
        const { n, bytes, at } = rows.at(-1)!
        const isBuffer = Buffer.isBuffer(bytes) && bytes.toString() === 'abc'
        return { command, rowCount, n, isBuffer, isDate: at instanceof Date, names: fields.map(({ name }) => name) }
      })
    })
    const common = { command: 'SELECT', isBuffer: true, isDate: true, names: ['n', 'bytes', 'at'] }
    expect(seen).toEqual([
      { ...common, rowCount: 2, n: 2 },
      { ...common, rowCount: 20, n: 20 },
    ])
  })

  it('shares the numbers of results with queries of a fairy: neither takes the shape of the other', async () => {
    pgPool(transport)
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      const many = 'from generate_series(1, 20)'
      const fairy = await pool.connect()
      const names: string[] = []
      for (const name of ['a', 'b', 'a', 'b']) {
        names.push(...Object.keys((await pool.query<Rows>(`select 1 as ${name} ${many}`)).rows[0]!))
        names.push(...Object.keys((await fairy.query(`select 1 as f${name} ${many}`)).rows[0]))
      }
      await fairy.close()
      return names
    })
    expect(seen).toEqual(['a', 'fa', 'b', 'fb', 'a', 'fa', 'b', 'fb'])
  })

  it('fails with the error of the driver or of the pool, each at once', async () => {
    const pool = pgPool({ ...transport, poolSize: 1 })
    const failures = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>
      return [
        await failureOf(() => query('selct')),
        await failureOf(() => query('begin')),
        await failureOf(() => query('select 1; select 2')),
        await failureOf(() => query({ text: 'select 1' })),
        await failureOf(() => query('select 1', 'values')),
        await failureOf(() => query('select 1', [], { timeoutMs: -1 })),
        await failureOf(() => query('select 1', [], { signal: AbortSignal.abort() })),
      ]
    })
    expect(failures.map(({ name }) => name)).toEqual([
      'error',
      'InvalidRequestError',
      'error',
      'ArgumentError',
      'ArgumentError',
      'ArgumentError',
      'AbortError',
    ])
    expect(failures[0]).toMatchObject({ code: '42601' })
    expect(failures[1]!.message).toContain('Use connect()')
    await eventually(() => pool.status().checkedout).toBe(0)
  })

  it('has the deadline of the pool for waiting, or one of its own for all of it; and a signal', async () => {
    const pool = pgPool({ ...transport, poolSize: 1, timeoutMs: 100 })
    const fairy = await pool.connect({ timeoutMs: null })
    const worker = startWorker()
    const failures = await worker.run(async ({ attach, failureOf, keep }) => {
      const pool = keep('pool', await attach<Client>())
      const controller = new AbortController()
      const aborted = failureOf(() => pool.query('select 1', [], { signal: controller.signal, timeoutMs: null }))
      const failures = [
        await failureOf(() => pool.query('select 1')),
        await failureOf(() => pool.query('select 1', [], { timeoutMs: 50 })),
        await failureOf(() => pool.query('select 1', [], { timeoutMs: 0 })),
      ]
      controller.abort()
      return [...failures, await aborted]
    })
    expect(failures).toMatchObject([
      { class: 'TimeoutError', fields: { phase: 'wait', timeoutMs: 100, leased: 1 } },
      { class: 'TimeoutError', fields: { phase: 'query', timeoutMs: 50 } },
      { class: 'TimeoutError', fields: { phase: 'wait', timeoutMs: 0, leased: 1 } },
      { name: 'AbortError' },
    ])
    // The thread does not wait for the coordinator to hear that it has left.
    await eventually(() => pool.status().waiting).toBe(0)
    await fairy.close()
    const running = await worker.run(async ({ kept, failureOf }) => {
      const pool = kept<PoolClient<Client>>('pool')
      return failureOf(() => pool.query('select pg_sleep(600)', [], { timeoutMs: 50 }))
    })
    expect(running).toMatchObject({ class: 'TimeoutError', fields: { phase: 'query' } })
    // It was alone on its connection, so it was cancelled there.
    await eventually(() => pool.status().checkedout).toBe(0)
    expect((await view.sessions()).filter(({ state }) => state === 'active')).toEqual([])
  })

  it('is not held up by a crowd of another thread', async () => {
    const pool = pgPool({ ...transport, poolSize: 1 })
    const fairy = await pool.connect()
    const order: string[] = []
    const crowd = startWorker()
    const few = startWorker()
    const done = crowd.run(async ({ attach, say }) => {
      const pool = await attach<Client>()
      const all = Array.from({ length: 300 }, () => pool.query('select 1'))
      say('asked')
      await Promise.all(all)
    })
    await crowd.hear()
    await eventually(() => pool.status().waiting).toBe(300)
    const fewDone = few.run(async ({ attach, say }) => {
      const pool = await attach<Client>()
      const all = [pool.query('select 2'), pool.query('select 2')]
      say('asked')
      await Promise.all(all)
    })
    await few.hear()
    await eventually(() => pool.status().waiting).toBe(302)
    void done.then(() => order.push('crowd'))
    void fewDone.then(() => order.push('few'))
    await fairy.close()
    await Promise.all([done, fewDone])
    expect(order).toEqual(['few', 'crowd'])
  })
})

describe('query() in a worker for which the coordinator runs the driver', () => {
  it('is one message there and one back, and those of one tick travel together', async () => {
    pgPool(remote)
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      await keep('pool', await attach<Client>()).query('select 1')
    })
    const mine = countPosts()
    const theirs = await worker.run(async ({ kept }) => {
      const posts: number[][] = []
      const { postMessage } = MessagePort.prototype
      MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
        if (Array.isArray(args[0])) posts.push(args[0].map(([kind]) => kind))
        return Reflect.apply(postMessage, this, args)
      }
      const pool = kept<PoolClient<Client>>('pool')
      await pool.query('select 1')
      await Promise.all([1, 2, 3].map(n => pool.query('select $1::int', [n])))
      return posts
    })
    const { query, rows } = kind
    expect(theirs).toEqual([[query], [query, query, query]])
    expect(mine.flat()).toEqual([rows, rows, rows, rows])
  })

  it('tells of a result that can’t travel', async () => {
    const pool = pgPool(remote)
    pool.dialect = { ...pool.dialect, rowSet: () => undefined, toWire: result => ({ result, parse: () => {} }) }
    const failure = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      return failureOf(() => pool.query('select 1'))
    })
    expect(failure).toMatchObject({ class: 'NotClonableError' })
    expect(failure.message).toContain('The statement has been run')
  })

  it('fails at once with values that can’t travel', async () => {
    pgPool(remote)
    const failures = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      const values = [() => {}, new Proxy({}, {})]
      return Promise.all(values.map(value => failureOf(() => pool.query('select $1', [value]))))
    })
    const expected = { class: 'NotClonableError', message: expect.stringContaining('query()') }
    expect(failures).toMatchObject([expected, expected])
  })
})
