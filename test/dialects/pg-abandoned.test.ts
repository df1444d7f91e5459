import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { ServerView } from '../support/server-view.ts'
import { startWorker } from '../support/start-worker.ts'

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

const pgPool = (options: { readonly transport?: 'remote' } = {}): QueuePool<Client> =>
  openPool<Client>({ dialect: pg(server.connectionString), poolSize: 1, maxOverflow: 0, ...options })

/** Longer than anybody waits here. */
const sleep = 'select pg_sleep(300)'

/** The one session that the server has, once it sleeps. */
async function sleeper(): Promise<number> {
  await eventually(async () => (await view.sessions()).map(({ query, state }) => `${state} ${query}`)).toEqual([
    `active ${sleep}`,
  ])
  return (await view.pids())[0]!
}

/** The server is done with the old session, and has one more at most. */
async function expectGone(pid: number): Promise<void> {
  await eventually(() => view.pids()).not.toContain(pid)
}

const ways: readonly (readonly [string, (pool: QueuePool<Client>, fairy: Fairy<Client>) => Promise<void>])[] = [
  ['its fairy is invalidated', (_pool, fairy) => fairy.invalidate()],
  ['its record is invalidated', pool => [...pool.records][0]!.invalidate()],
  ['its record is closed', pool => [...pool.records][0]!.close()],
  ['it reports all of its age as broken', (pool, fairy) => pool.invalidate(fairy)],
]

describe('a statement does not go on at the server', () => {
  it.each(ways)('when %s', async (_when, end) => {
    const pool = pgPool()
    const fairy = await pool.connect()
    const call = fairy.query(sleep).catch((error: unknown) => error)
    const pid = await sleeper()
    await end(pool, fairy)
    expect(await call).toBeInstanceOf(Error)
    await expectGone(pid)
  })

  it('when its fairy is detached, and then invalidated', async () => {
    const pool = pgPool()
    const fairy = await pool.connect()
    await fairy.detach()
    const call = fairy.query(sleep).catch((error: unknown) => error)
    const pid = await sleeper()
    await fairy.invalidate()
    expect(await call).toBeInstanceOf(Error)
    await expectGone(pid)
  })

  it.each([
    ['remote', { transport: 'remote' }, 'FAIRYPOOL_INVALID_REQUEST'],
    // The driver's own words there: the server's, or that the session has ended, or the system's for that.
    ['direct', {}, undefined],
  ] as const)('when a worker invalidates its connection (%s)', async (transport, options, code) => {
    pgPool(options)
    const worker = startWorker()
    await worker.run(async ({ attach, keep }, sleep) => {
      const fairy = keep('fairy', await (await attach<Client>()).connect())
      const failure = fairy.query(sleep).then(
        () => 'none',
        (error: unknown) => (error as { readonly code?: unknown }).code,
      )
      keep('call', failure)
    }, sleep)
    const pid = await sleeper()
    const failure = await worker.run(async ({ kept }) => {
      await kept<Fairy<Client>>('fairy').invalidate()
      return kept<Promise<unknown>>('call')
    })
    expect(transport === 'remote' ? [code] : [undefined, '57014', 'ECONNRESET']).toContain(failure)
    await expectGone(pid)
  })

  it('when the coordinator invalidates what a worker runs a driver on by itself', async () => {
    const pool = pgPool()
    const worker = startWorker()
    await worker.run(async ({ attach, keep }, sleep) => {
      const fairy = keep('fairy', await (await attach<Client>()).connect())
      keep(
        'call',
        fairy.query(sleep).catch((error: unknown) => String(error)),
      )
    }, sleep)
    const pid = await sleeper()
    await [...pool.records][0]!.invalidate()
    expect(await worker.run(({ kept }) => kept<Promise<unknown>>('call'))).toMatch(/terminated|canceling/)
    await expectGone(pid)
  })
})
