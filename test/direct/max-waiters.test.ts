import type { Client } from 'pg'
import { expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

it.each([
  ['direct', {}],
  ['remote', { transport: 'remote' }],
] as const)(
  'threads that rush to a full pool are never let in beyond maxWaiters, and each is told by its own call (%s)',
  async (_how, transport) => {
    const pool = own.pool('a Unix socket', { maxWaiters: 5, timeoutMs: null, ...transport })
    const workers = [1, 2, 3, 4].map(() => startWorker())
    await Promise.all(
      workers.map(worker => worker.run(async ({ attach, keep }) => void keep('pool', await attach<Client>()))),
    )
    for (let round = 0; round < 10; round++) {
      const held = await pool.connect()
      const counted = new Int32Array(new SharedArrayBuffer(4))
      const outcomes = workers.map(worker =>
        worker.run(async ({ kept }, counted) => {
          const pool = kept<PoolClient<Client>>('pool')
          const calls = Array.from({ length: 10 }, async (_, n) => {
            try {
              if (n % 2 === 0) return (await pool.use(conn => conn.query('select 1 as one'))).rows[0].one as number
              return ((await pool.query('select 1 as one')) as { rows: { one: number }[] }).rows[0]!.one
            } catch (error) {
              const { code, name } = error as { code: string; name: string }
              Atomics.add(counted, 0, 1)
              return `${name} ${code}`
            }
          })
          return Promise.all(calls)
        }, counted),
      )
      // All have come, and all who may not wait have been told.
      await eventually(() => Atomics.load(counted, 0)).toBeGreaterThanOrEqual(35)
      await eventually(() => pool.status().waiting).toBe(40 - Atomics.load(counted, 0))
      await held.close()
      const ends = (await Promise.all(outcomes)).flat()
      expect(ends.filter(end => end === 1).length).toBe(40 - Atomics.load(counted, 0))
      expect(new Set(ends)).toEqual(new Set([1, 'QueueFullError FAIRYPOOL_QUEUE_FULL']))
      await eventually(() => pool.status()).toMatchObject({ waiting: 0, checkedout: 0 })
    }
  },
)
