import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { PoolStatus } from '../../src/observe/status.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()

/** The pool's counts once a worker has collected: a fairy that is young is not yet to be lost. */
const collected = (pool: QueuePool<Client>, worker: TestWorker): ReturnType<typeof eventually<PoolStatus>> =>
  eventually(async () => {
    await worker.run(({ collect }) => collect())
    return pool.status()
  })

describe.each(oneRoad)("a fairy that is forgotten after the driver's own client was used, over %s,", road => {
  it('comes home when it is collected', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    await worker.run(async ({ attach }) => {
      const forget = async (): Promise<void> => {
        const conn = await (await attach<Client>()).connect()
        void conn.connection
        await conn.query('select 1')
      }
      await forget()
    })
    await collected(pool, worker).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('comes home when the use was that of another caller of its thread, from whom it had the connection', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const pool = keep('pool', await attach<Client>())
      const conn = await pool.connect()
      void conn.connection
      await conn.query('select 1')
      const forgotten = pool.connect().then(async next => void (await next.query('select 2')))
      await conn.close()
      await forgotten
    })
    await collected(pool, worker).toMatchObject({ checkedin: 1, checkedout: 0 })
  })
})

describe.each(oneRoad)('a connection that goes on to another caller of its thread, over %s,', road => {
  it("has no listeners of the last one's", async () => {
    own.pool(road)
    const heard = await startWorker().run(async ({ attach }) => {
      const pool: PoolClient<Client> = await attach<Client>()
      const heard: string[] = []
      const conn = await pool.connect()
      await conn.query('listen ours')
      conn.on('notification', ({ payload }) => void heard.push(`${payload}`))
      await conn.query("notify ours, 'mine'")
      const next = pool.connect()
      await conn.close()
      await (await next).query("notify ours, 'of the next'")
      await (await next).close()
      return heard
    })
    expect(heard).toEqual(['mine'])
  })

  it('is not used by a cursor that its last holder has begun and not read', async () => {
    own.pool(road)
    const answers = await startWorker().run(async ({ attach }) => {
      const pool: PoolClient<Client> = await attach<Client>()
      const answers: unknown[] = []
      for (let round = 0; round < 20; round++) {
        const conn = await pool.connect()
        if (round % 2) await conn.query('select 1')
        conn.cursor('select generate_series(1, 100)', [], { batchSize: 1 })
        const next = pool.connect()
        await conn.close()
        answers.push((await (await next).query('select $1::int as n', [round])).rows[0].n)
        await (await next).close()
      }
      return answers
    })
    expect(answers).toEqual(Array.from({ length: 20 }, (_, round) => round))
  })
})
