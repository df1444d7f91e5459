import { readdirSync } from 'node:fs'
import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad } from '../support/own-server.ts'
import { runFile } from '../support/run-file.ts'
import { startWorker } from '../support/start-worker.ts'
import { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()

describe('a worker that has run the driver itself, and its process, end by themselves when its connection is', () => {
  it.each([
    ['unused', ''],
    ['used', ''],
    ['closed', ''],
    ['in a transaction', ''],
    ['detached', ''],
    ['in a query', 'answered\n'],
  ])('%s', async (state, said) => {
    const { code, output, errors } = await runFile('pg-forgetful', [state], {
      DATABASE_URL: own.server.connectionString,
    })
    expect({ code, output, errors }).toEqual({ code: 0, output: `${said}worker: 0\n`, errors: '' })
    await eventually(() => own.view.pids()).toEqual([])
  })
})

/** A descriptor is gone once its handle is, a turn of the loop or two after the thread. */
const descriptors = (): number => readdirSync('/proc/self/fd').length

describe.skipIf(process.platform !== 'linux').each(oneRoad)('descriptors of this process, over %s,', road => {
  it('do not grow with threads that come and go', async () => {
    const pool = own.pool(road, { poolSize: 2 })
    const visit = async (): Promise<void> => {
      const worker = new TestWorker()
      await worker.run(async ({ attach }) => {
        const pool = await attach<Client>()
        const both = await Promise.all([pool.connect(), pool.connect()])
        await Promise.all(both.map(conn => conn.query('select 1')))
        for (const conn of both) await conn.close()
      })
      await worker.terminate()
    }
    await visit()
    await eventually(() => pool.status().transports).toEqual([])
    const before = descriptors()
    for (let round = 0; round < 12; round++) await visit()
    await eventually(descriptors).toBeLessThanOrEqual(before)
    expect(pool.status()).toMatchObject({ checkedin: 2, checkedout: 0 })
  })

  it('are made by the coordinator alone: a thread that could be terminated while it loads a native library loads none', async () => {
    own.pool(road)
    const loaded = await startWorker().run(async ({ attach, require }) => {
      const pool = await attach<Client>()
      const isDirect = await pool.use(async conn => (await conn.query('select 1')) && conn.connection !== undefined)
      const { _cache } = require('node:module') as { readonly _cache: object }
      return { isDirect, native: Object.keys(_cache).filter(path => path.endsWith('.node')) }
    })
    expect(loaded).toEqual({ isDirect: true, native: [] })
  })

  it('do not grow with connections that are invalidated, by the thread that has them or by another', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => void keep('pool', await attach<Client>()))
    const spend = (rounds: number): Promise<void> =>
      worker.run(async ({ kept }, rounds) => {
        const pool = kept<PoolClient<Client>>('pool')
        for (let round = 0; round < rounds; round++) {
          const conn = await pool.connect()
          await conn.query('select 1')
          if (round % 2 === 0) await conn.invalidate()
          else await pool.invalidate().then(() => conn.close())
        }
        await pool.use(conn => conn.query('select 1'))
      }, rounds)
    await spend(2)
    const before = descriptors()
    await spend(100)
    await eventually(descriptors).toBeLessThanOrEqual(before)
    expect(await own.view.pids()).toHaveLength(1)
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })
})
