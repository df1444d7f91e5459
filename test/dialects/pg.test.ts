import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import type { Dialect } from '../../src/dialects/dialect.ts'
import { pg } from '../../src/dialects/pg.ts'
import { eventually } from '../support/eventually.ts'
import { runFile } from '../support/run-file.ts'
import { ServerView } from '../support/server-view.ts'

let server: PostgresServer
let view: ServerView
let dialect: Required<Dialect<Client>>

beforeAll(async () => {
  server = await startPostgres()
  view = await ServerView.of(server)
  dialect = pg(server.connectionString) as Required<Dialect<Client>>
})

afterAll(async () => {
  await view.close()
  await server.remove()
})

const never = new AbortController().signal
const pidOf = (client: Client): number => Reflect.get(client, 'processID') as number

async function open(how: Required<Dialect<Client>> = dialect): Promise<Client> {
  const client = await how.connect(undefined, { signal: never })
  onTestFinished(() => how.terminate(client))
  return client
}

describe('pg: opening and closing', () => {
  it('takes what new pg.Client() takes: a string, or an object', async () => {
    const { port, connectionString } = server
    const password = new URL(connectionString).password
    const config = {
      host: '127.0.0.1',
      port,
      user: 'postgres',
      password,
      database: 'postgres',
      application_name: 'by object',
    }
    const client = await open(pg(config) as Required<Dialect<Client>>)
    expect((await client.query("select current_setting('application_name') as name")).rows).toEqual([
      { name: 'by object' },
    ])
    expect(await view.pids()).toContain(pidOf(client))
  })

  it('drops the socket of an attempt that is given up', async () => {
    // A server that accepts and says nothing.
    const silent = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void silent.close())
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    const controller = new AbortController()
    const attempt = pg(`postgres://u:p@127.0.0.1:${port}/d`).connect!(undefined, { signal: controller.signal })
    const outcome = expect(attempt).rejects.toThrow(/terminated/)
    const [socket] = await once(silent, 'connection')
    controller.abort()
    socket.resume()
    await once(socket, 'close')
    await outcome
  })

  it('close() says goodbye, terminate() does not wait for anything; both end the session', async () => {
    const [polite, abrupt] = [await open(), await open()]
    const lost = new Set<Client>()
    for (const client of [polite, abrupt]) dialect.watch(client, () => lost.add(client))
    await dialect.close(polite)
    dialect.terminate(abrupt)
    dialect.terminate(abrupt)
    await eventually(() => view.pids()).toEqual([])
    await dialect.close(polite)
    // The server may have forgotten a session before this thread has heard of its socket's end.
    await eventually(() => lost).toEqual(new Set([polite, abrupt]))
  })
})

describe('pg: what a connection is up to', () => {
  it('ping is true while it lives, false once it is gone, and anything else is thrown (167, 168, 172)', async () => {
    const client = await open()
    expect(await dialect.ping(client)).toBe(true)
    await client.query('begin')
    await client.query('select 1/0').catch(() => {})
    expect(await dialect.ping(client)).toBe(true)
    await view.terminate(pidOf(client))
    expect(await dialect.ping(client)).toBe(false)
    const broken = { query: () => Promise.reject(new RangeError('something else')) } as unknown as Client
    await expect(dialect.ping(broken)).rejects.toThrow('something else')
  })

  it("inTransaction is the server's own word, and none while a query is under way", async () => {
    const client = await open()
    const seen: unknown[] = [dialect.inTransaction(client)]
    for (const text of [
      'begin',
      'select 1',
      'select 1/0',
      'rollback',
      'begin; select 1',
      'commit',
      'begin; select 1/0',
      'rollback',
      'select 1',
    ]) {
      const query = client.query(text).catch(() => {})
      if (text === 'select 1') seen.push(dialect.inTransaction(client))
      await query
      // The error of a failed query comes before the server says in which state it has left the session.
      await eventually(() => dialect.inTransaction(client)).not.toBeUndefined()
      seen.push(dialect.inTransaction(client))
    }
    expect(seen).toEqual([false, true, undefined, true, true, false, true, false, true, false, undefined, false])
  })

  it('rollback and commit do what they say', async () => {
    const client = await open()
    await client.query('create temp table t (n int)')
    for (const end of [dialect.rollback, dialect.commit]) {
      await client.query('begin')
      await client.query('insert into t values (1)')
      await end(client)
    }
    expect((await client.query('select count(*)::int as n from t')).rows).toEqual([{ n: 1 }])
    expect(dialect.inTransaction(client)).toBe(false)
  })

  it.each(['TCP', 'a Unix socket'])(
    'cancel stops the query at the server, over %s, and the connection goes on',
    async over => {
      const config = { host: server.socketDir!, port: server.port, user: 'postgres', database: 'postgres' }
      const client = await open(over === 'TCP' ? dialect : (pg(config) as Required<Dialect<Client>>))
      const sleeping = client.query('select pg_sleep(300)')
      const outcome = expect(sleeping).rejects.toMatchObject({ code: '57014' })
      await eventually(async () => (await view.sessions()).map(({ state }) => state)).toContain('active')
      await dialect.cancel(client)
      await outcome
      expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
      // Idle, there is nothing to stop.
      await dialect.cancel(client)
      expect((await client.query('select 2 as two')).rows).toEqual([{ two: 2 }])
    },
  )

  it('cancel fails when there is no server any more', async () => {
    const target = { host: '127.0.0.1', port: 1, processID: 1, secretKey: 1 } as unknown as Client
    await expect(dialect.cancel(target)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('pg: is this error a disconnect?', () => {
  const withCode = (code: string): Error => Object.assign(new Error('x'), { code })
  const yes = [
    ...['08000', '08003', '08006', '57P01', '57P02', '57P03', '57P05', '25P03'].map(withCode),
    ...['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_DESTROYED'].map(withCode),
    new Error('Connection terminated'),
    new Error('Connection terminated unexpectedly'),
    new Error('Client has encountered a connection error and is not queryable'),
    new Error('Client was closed and is not queryable'),
  ]
  const no = [
    ...[
      '08P01',
      '22012',
      '23505',
      '40001',
      '40P01',
      '42601',
      '53300',
      '57014',
      '25P02',
      'ENOENT',
      'FAIRYPOOL_TIMEOUT',
    ].map(withCode),
    new Error('division by zero'),
    new TypeError('Connection is not a function'),
    'Connection terminated',
    undefined,
    { code: '57P01' },
  ]
  it.each(yes.map(error => [String(Reflect.get(error, 'code') ?? error.message), error]))('%s: yes', (_name, error) => {
    expect(dialect.isDisconnect(error, undefined)).toBe(true)
  })
  it.each(no.map(error => [String(Reflect.get(Object(error), 'code') ?? error), error]))('%s: no', (_name, error) => {
    expect(dialect.isDisconnect(error, undefined)).toBe(false)
  })

  it('the errors that the server and the driver really give', async () => {
    const [ended, crashed, closed] = [await open(), await open(), await open()]
    const inFlight = crashed.query('select pg_sleep(300)').catch((error: unknown) => error)
    const errors = [await ended.query('select pg_terminate_backend(pg_backend_pid())').catch((error: unknown) => error)]
    dialect.terminate(crashed)
    errors.push(await inFlight)
    for (const client of [ended, crashed]) errors.push(await client.query('select 1').catch((error: unknown) => error))
    await dialect.close(closed)
    errors.push(await closed.query('select 1').catch((error: unknown) => error))
    for (const error of errors)
      expect([String(error), dialect.isDisconnect(error, undefined)]).toEqual([String(error), true])
  })
})

it('pg: idle connections do not keep the process alive, lent ones do', async () => {
  const { code, output, errors } = await runFile('pg-idle', [], { DATABASE_URL: server.connectionString })
  expect({ code, errors }).toEqual({ code: 0, errors: '' })
  expect(JSON.parse(output)).toEqual({
    out: 2,
    idle: 0,
    one: 1,
    status: 'poolSize 2, checkedin 2, overflow 0, checkedout 0, waiting 0',
  })
})
