import type { Client } from 'pg'
import { expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import { eventually } from '../support/eventually.ts'
import { failureOf } from '../support/observe.ts'
import { OwnServer } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

it.each([
  ['direct', {}],
  ['remote', { transport: 'remote' }],
] as const)(
  'dispose() with force stops at the server what a thread runs, and the thread can go on (%s)',
  async (_how, transport) => {
    const pool = own.pool('a Unix socket', { poolSize: 2, traceCheckouts: true, ...transport })
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const pool = await attach<Client>()
      keep('idle in a transaction', await pool.connect()).query('begin')
      keep('busy', await pool.connect())
    })
    const asked = worker.run(({ kept }) =>
      kept<Fairy<Client>>('busy')
        .query('select pg_sleep(600)')
        .then(
          () => 'answered',
          (error: Error) => error.message,
        ),
    )
    await eventually(async () => (await own.view.sessions()).map(({ state }) => state).sort()).toEqual([
      'active',
      'idle in transaction',
    ])
    const failure = (await failureOf(pool.dispose({ timeoutMs: 20 }))) as Error
    expect(failure.message).toMatch(
      new RegExp(`of 2 connections 2 have not come home\\. Held by thread ${worker.threadId} .*pg_sleep\\(600\\)`, 's'),
    )
    expect(await own.view.pids()).toHaveLength(2)
    await pool.dispose({ timeoutMs: 20, force: true })
    expect(await asked).not.toBe('answered')
    await eventually(() => own.view.pids()).toEqual([])
    expect(pool.status()).toMatchObject({ checkedin: 0, checkedout: 0 })
    const seen = await worker.run(async ({ attach, kept }) => {
      await kept<Fairy<Client>>('busy').close()
      const { rows } = await (await attach<Client>()).use(conn => conn.query('select 1 as one'))
      return rows[0].one as number
    })
    expect(seen).toBe(1)
  },
)

it('a thread can drain the pool, and is told when another thread lets go', async () => {
  const pool = own.pool('a Unix socket', { poolSize: 2 })
  const [holder, drainer] = [startWorker(), startWorker()]
  await holder.run(async ({ attach, keep }) => void keep('conn', await (await attach<Client>()).connect()))
  const code = await drainer.run(async ({ attach }) => {
    const pool = await attach<Client>()
    return pool
      .dispose({ timeoutMs: 30 })
      .catch((error: { code: string; holders: { threadId: number }[] }) => [
        error.code,
        ...error.holders.map(({ threadId }) => threadId),
      ])
  })
  expect(code).toEqual(['FAIRYPOOL_TIMEOUT', holder.threadId])
  const disposed = drainer.run(async ({ attach }) => (await attach()).dispose({ timeoutMs: 20_000 }))
  await holder.run(({ kept }) => kept<Fairy<Client>>('conn').close())
  await disposed
  expect(pool.status()).toMatchObject({ checkedin: 0, checkedout: 0 })
})
