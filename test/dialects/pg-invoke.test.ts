import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import { kind } from '../../src/protocol/messages.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { ServerView } from '../support/server-view.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

let server: PostgresServer
let view: ServerView

beforeAll(async () => {
  server = await startPostgres()
  view = await ServerView.of(server)
  await view.query('create table books (n int constraint one_of_each primary key)')
})

afterAll(async () => {
  await view.close()
  await server.remove()
})

const logger = { debug() {}, info() {}, warn() {}, error() {} }
const pgPool = () =>
  openPool<Client>({ dialect: pg(server.connectionString), transport: 'remote', poolSize: 1, maxOverflow: 0, logger })

/** A worker that counts what it says. */
async function attached(): Promise<TestWorker> {
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => {
    const pool = keep('pool', await attach<Client>())
    await pool.use(conn => conn.query('select 1'))
    await pool.status()
    const posts = keep<number[]>('posts', [])
    const { postMessage } = MessagePort.prototype
    MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
      if (Array.isArray(args[0])) for (const [kind] of args[0]) posts.push(kind)
      return Reflect.apply(postMessage, this, args)
    }
  })
  return worker
}

const said = (worker: TestWorker): Promise<number[]> => worker.run(({ kept }) => kept<number[]>('posts').splice(0))

describe("the driver's callbacks, called for another thread", () => {
  const dialect = pg()
  let client: Client

  beforeAll(async () => {
    client = await pg(server.connectionString).connect!(undefined, { signal: new AbortController().signal })
  })
  afterAll(() => client.end())

  /** How a query ends, and what is known of the transaction at that very moment. */
  const invoke = (...args: readonly unknown[]) =>
    new Promise<{ outcome: unknown; transaction: boolean | undefined }>(resolve => {
      const tell = (outcome: unknown): void => resolve({ outcome, transaction: dialect.inTransaction!(client) })
      expect(dialect.invoke!(client, 'query', args, { resolve: tell, reject: tell })).toBe(true)
    })

  it('tell the outcome when it is known whether a transaction is open', async () => {
    for (const [text, transaction] of [
      ['select 1', false],
      ['begin', true],
      ['select 2', true],
      ['commit', false],
    ] as const) {
      expect(await invoke(text)).toMatchObject({ outcome: { command: text.split(' ')[0]!.toUpperCase() }, transaction })
    }
  })

  it('tell a failure before that is known: then nobody says that none is open', async () => {
    await invoke('begin')
    const { outcome, transaction } = await invoke('select 1/0')
    expect(outcome).toMatchObject({ code: '22012', severity: 'ERROR' })
    expect(transaction).not.toBe(false)
    expect(await invoke('rollback')).toMatchObject({ transaction: false })
  })

  it('take values, a config, values beside a config, and many statements', async () => {
    expect((await invoke('select $1::int + $2 as sum', [1, 2])).outcome).toMatchObject({ rows: [{ sum: 3 }] })
    const config = { text: 'select $1::int as n', rowMode: 'array' }
    expect((await invoke({ ...config, values: [4] })).outcome).toMatchObject({ rows: [[4]] })
    expect((await invoke(config, [5])).outcome).toMatchObject({ rows: [[5]] })
    expect((await invoke('select 6 as n; select 7 as n')).outcome).toMatchObject([
      { rows: [{ n: 6 }] },
      { rows: [{ n: 7 }] },
    ])
  })

  it('are for queries of at most two arguments: everything else is left to the method itself', () => {
    const done = { resolve() {}, reject() {} }
    expect(dialect.invoke!(client, 'query', ['select 1', [], 3], done)).toBe(false)
    expect(dialect.invoke!(client, 'end', [], done)).toBe(false)
  })
})

describe('queries from a worker', () => {
  it('fail with all that the server says, and the pool is in order', async () => {
    const pool = pgPool()
    const worker = await attached()
    const pids = await view.pids()
    const failure = await worker.run(async ({ kept, failureOf }) => {
      const pool = kept<PoolClient<Client>>('pool')
      return failureOf(() => pool.use(conn => conn.query('insert into books values ($1), ($1)', [1])))
    })
    expect(failure).toMatchObject({
      code: '23505',
      fields: { constraint: 'one_of_each', table: 'books', severity: 'ERROR', detail: 'Key (n)=(1) already exists.' },
    })
    const rows = await worker.run(async ({ kept }) => {
      const pool = kept<PoolClient<Client>>('pool')
      return (await pool.use(conn => conn.query('select count(*)::int as n from books'))).rows as unknown[]
    })
    expect(rows).toEqual([{ n: 0 }])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    expect(await view.pids()).toEqual(pids)
  })

  it('that fail in a transaction leave it to the close() to roll back: the next caller sees nothing of it', async () => {
    pgPool()
    const worker = await attached()
    const seen = await worker.run(async ({ kept, failureOf }) => {
      const pool = kept<PoolClient<Client>>('pool')
      const conn = await pool.connect()
      await conn.query('begin')
      await conn.query('insert into books values (7)')
      const first = await failureOf(() => conn.query('select 1/0'))
      const second = await failureOf(() => conn.query('select 1'))
      await conn.close()
      const { rows } = await pool.use(next => next.query('select count(*)::int as n from books'))
      return { codes: [first.code, second.code], rows: rows as unknown[] }
    })
    expect(seen).toEqual({ codes: ['22012', '25P02'], rows: [{ n: 0 }] })
  })

  it.each([
    ['a query', ['select 1'], [kind.call]],
    ['a transaction that was ended', ['begin', 'commit'], [kind.call, kind.call]],
    ['a transaction that is open', ['begin'], [kind.call, kind.end]],
    ['one that was opened with its statements', ['begin; select 1'], [kind.call, kind.end]],
  ])(
    'are followed, after %s, by a close() without a message where nothing has to be reset',
    async (_what, texts, kinds) => {
      const pool = pgPool()
      const worker = await attached()
      await worker.run(async ({ kept }, texts) => {
        const conn = await kept<PoolClient<Client>>('pool').connect()
        for (const text of texts) await conn.query(text)
        await conn.close()
      }, texts)
      await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
      expect(await said(worker)).toEqual(kinds)
      expect((await view.sessions()).map(({ state }) => state)).toEqual(['idle'])
    },
  )

  it('whose session the server ends fail as such, and their connection is replaced', async () => {
    const pool = pgPool()
    const worker = await attached()
    const [old] = await view.pids()
    const seen = await worker.run(async ({ kept, failureOf }) => {
      const pool = kept<PoolClient<Client>>('pool')
      const conn = await pool.connect()
      const failure = await failureOf(() => conn.query('select pg_terminate_backend(pg_backend_pid())'))
      const { isValid } = conn
      await conn.close()
      const { rows } = await pool.use(next => next.query('select pg_backend_pid() as pid'))
      return { code: failure.code, isValid, pid: rows[0].pid as number }
    })
    expect(seen).toMatchObject({ code: '57P01', isValid: false })
    expect(seen.pid).not.toBe(old)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })
})
