import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pgModule, { type Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { pg } from '../../src/dialects/pg.ts'
import type * as Door from '../../src/index.ts'
import { SingletonThreadPool, StaticPool } from '../../src/index.ts'
import type { TransportInUse } from '../../src/observe/status.ts'
import type * as PgDoor from '../../src/pg.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad } from '../support/own-server.ts'
import { withoutDriver } from '../support/poor-threads.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const hasOpenssl = spawnSync('openssl', ['version']).status === 0
const settings: Record<string, string> = {}
const own = OwnServer.forThisFile({ settings })

interface Seen {
  readonly text: unknown
  readonly hasDriver: boolean
  readonly transports: readonly TransportInUse[]
}

/** What a worker sees of the pool that is shared. */
const look = (worker: TestWorker): Promise<Seen> =>
  worker.run(async ({ attach }) => {
    const pool = await attach<Client>()
    const conn = await pool.connect()
    const { rows } = await conn.query("select 'x' as text")
    const hasDriver = conn.connection !== undefined
    await conn.close()
    return { text: rows[0].text as unknown, hasDriver, transports: (await pool.status()).transports }
  })

/** That the worker is served by the coordinator, and that both say why. */
async function isRemote(pool: { status(): { transports: readonly TransportInUse[] } }, why: string): Promise<Seen> {
  const worker = startWorker()
  const seen = await look(worker)
  const transports = [{ threadId: worker.threadId, transport: 'remote', why: expect.stringContaining(why) }]
  expect(seen).toMatchObject({ hasDriver: false, transports })
  expect(pool.status().transports).toEqual(transports)
  return seen
}

describe.each(oneRoad)('the coordinator runs the driver, over %s,', road => {
  it.each<[string, string, () => PoolOptions<Client>]>([
    ['it was told to', 'told to use remote', () => ({ transport: 'remote' })],
    [
      'the pool has a creator',
      'a creator of its own',
      () => ({
        creator: async () => {
          const client = new pgModule.Client(own.config(road))
          await client.connect()
          return client
        },
      }),
    ],
    [
      'the configuration has a stream',
      'a stream of its own',
      () => ({ dialect: pg({ ...own.config(road), stream: () => new Socket() }) }),
    ],
  ])('where %s', async (_, why, options) => {
    const pool = own.pool(road, options())
    expect(await isRemote(pool, why)).toMatchObject({ text: 'x' })
  })

  it('where the configuration has type parsers, which apply', async () => {
    const types = { getTypeParser: () => (text: string) => `parsed ${text}` }
    const pool = own.pool(road, { dialect: pg({ ...own.config(road), types } as never) })
    expect(await isRemote(pool, 'type parsers of its own')).toMatchObject({ text: 'parsed x' })
  })

  it.each([StaticPool, SingletonThreadPool])('where several hold one connection: %o', async Pool => {
    const pool = new Pool<Client>({ dialect: pg(own.config(road)) })
    pool.share()
    onTestFinished(async () => {
      pool.unshare()
      await pool.dispose()
    })
    expect(await isRemote(pool, 'lends one connection to several')).toMatchObject({ text: 'x' })
  })
})

/** In a thread from now on: npm's koffi is not installed. */
const withoutKoffi = (worker: TestWorker): Promise<void> =>
  worker.run(({ require }) => {
    const module = require('node:module') as { _load(request: string, ...rest: unknown[]): unknown }
    const { _load } = module
    module._load = (request, ...rest) => {
      if (request === 'koffi') throw new Error("Cannot find module 'koffi'\nRequire stack: …")
      return _load(request, ...rest)
    }
  })

describe('a thread that can not do it', () => {
  it('has no driver: the coordinator runs it for this one; another one runs it itself', async () => {
    const pool = own.pool('TCP')
    const [poor, rich] = [startWorker(), startWorker()]
    await withoutDriver(poor)
    const why = expect.stringMatching(/^the driver can't be loaded in this thread: Cannot find module .*nowhere/)
    expect(await look(poor)).toMatchObject({ text: 'x', hasDriver: false, transports: [{ transport: 'remote', why }] })
    expect(await look(rich)).toMatchObject({ text: 'x', hasDriver: true })
    // The connection that the other has used meanwhile.
    expect(await look(poor)).toMatchObject({ text: 'x', hasDriver: false })
    expect(await look(rich)).toMatchObject({ text: 'x', hasDriver: true })
    expect(pool.status().transports).toEqual([
      { threadId: poor.threadId, transport: 'remote', why },
      { threadId: rich.threadId, transport: 'direct', why: undefined },
    ])
    await poor.terminate()
    await eventually(() => pool.status().transports.map(({ threadId }) => threadId)).toEqual([rich.threadId])
  })

  it('owns the pool, and has no koffi: it runs the driver for all', async () => {
    const coordinator = startWorker()
    await withoutKoffi(coordinator)
    const address = await coordinator.run(async ({ load, keep }, config) => {
      const { createPool } = (await load('../../src/index.js')) as typeof Door
      const { pg } = (await load('../../src/pg.js')) as typeof PgDoor
      return keep('pool', createPool({ dialect: pg(config), poolSize: 1, maxOverflow: 0 })).share()
    }, own.config('TCP'))
    const seen = await startWorker().run(async ({ attach }, address) => {
      const pool = await attach<Client>(address)
      const conn = await pool.connect()
      const { rows } = await conn.query("select 'x' as text")
      const hasDriver = conn.connection !== undefined
      await conn.close()
      return { rows, hasDriver, transports: (await pool.status()).transports }
    }, address)
    const why = expect.stringContaining("koffi can't be loaded")
    expect(seen).toMatchObject({ rows: [{ text: 'x' }], hasDriver: false, transports: [{ transport: 'remote', why }] })
  })
})

/** The server speaks TLS from now on, with a certificate that it has signed itself. Returns that. */
async function encrypt(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'fairypool-tls-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject]
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  // Whoever runs the server owns its folder, and must own its key.
  const { uid, gid } = statSync(own.server.socketDir!)
  for (const file of [folder, key, certificate]) chownSync(file, uid, gid)
  chmodSync(key, 0o600)
  Object.assign(settings, { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key })
  await own.server.stop()
  await own.restart()
  return readFileSync(certificate, 'utf8')
}

// The last one: the server is another one after it.
it.skipIf(!hasOpenssl)('an encrypted connection is run by the coordinator, and both ends say why', async () => {
  const ca = await encrypt()
  const pool = own.pool('TCP', { dialect: pg({ ...own.config('TCP'), ssl: { ca } }) })
  const worker = startWorker()
  const seen = await worker.run(async ({ attach }) => {
    const pool = await attach<Client>()
    const conn = await pool.connect()
    const { rows } = await conn.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
    const hasDriver = conn.connection !== undefined
    await conn.close()
    return { rows, hasDriver, transports: (await pool.status()).transports }
  })
  const transports = [{ threadId: worker.threadId, transport: 'remote', why: 'the connection is encrypted (TLS)' }]
  expect(seen).toEqual({ rows: [{ ssl: true }], hasDriver: false, transports })
  expect(pool.status().transports).toEqual(transports)
})
