import type { Client, ClientConfig } from 'pg'
import { createPool } from '../../src/coordinator/create-pool.ts'
import { pg } from '../../src/dialects/pg.ts'
import { TestWorker } from '../support/test-worker.ts'

/** One of several processes that share a PgBouncer: three threads share a pool, and count in one row. Says how many answers were wrong. */
const [config, rounds] = JSON.parse(process.argv[2]!) as [ClientConfig, number]
const pool = createPool<Client>({ dialect: pg(config, { pooler: 'transaction' }), poolSize: 4, maxOverflow: 0 })
pool.share()
const workers = [0, 1, 2].map(() => new TestWorker())
const wrong = await Promise.all(
  workers.map(worker =>
    worker.run(async ({ attach }, rounds) => {
      const pool = await attach<Client>()
      let wrong = 0
      for (let round = 0; round < rounds; round++) {
        const tag = `${process.pid} ${Math.random()}`
        await pool.use(async conn => {
          await conn.query('begin')
          await conn.query('update counter set n = n + 1')
          const { rows } = await conn.query<{ tag: string }>('select $1 as tag', [tag])
          if (rows[0]?.tag !== tag) wrong++
          await conn.query('commit')
        })
        const { rows } = await pool.query<{ rows: { tag: string }[] }>('select $1 as tag', [tag])
        if (rows[0]?.tag !== tag) wrong++
      }
      return wrong
    }, rounds),
  ),
)
console.log(JSON.stringify(wrong))
for (const worker of workers) await worker.terminate()
await pool.dispose()
