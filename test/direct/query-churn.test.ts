import type { Client, QueryResult } from 'pg'
import { expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

type Rows = QueryResult<{ id: number }>

/** Statements that are quick, slow, wrong, given up or the end of their connection, among fairies, in threads that have to share. */
it.each(oneRoad)(
  'whatever becomes of statements, over %s: each has one end, its own, and all connections come home',
  async road => {
    const pool = own.pool(road, { poolSize: 2 })
    const workers = [1, 2, 3].map(() => startWorker())
    const seen = await Promise.all(
      workers.map((worker, me) =>
        worker.run(async ({ attach }, me) => {
          const pool = await attach<Client>()
          let wrong = 0
          let kinds = 0
          const one = async (id: number): Promise<Rows | undefined> => {
            const text = 'select $1::int as id'
            switch (id % 16) {
              case 3:
                return pool.query('select 1/0')
              case 7:
                return pool.query('select pg_sleep(0.025)')
              case 9:
                return pool.query('select pg_sleep(0.2)', [], { timeoutMs: 20 })
              case 11: {
                const leaving = new AbortController()
                const asked = pool.query(text, [id], { signal: leaving.signal })
                if (id % 32 === 11) await undefined
                leaving.abort()
                return asked as Promise<undefined>
              }
              case 13:
                return id % 160 === 13 ? pool.query('select pg_terminate_backend(pg_backend_pid())') : undefined
              case 5:
              case 15:
                return pool.use(conn => conn.query<{ id: number }>(text, [id]))
              default:
                return pool.query<Rows>(text, [id])
            }
          }
          const task = async (number: number): Promise<void> => {
            for (let round = 0; round < 60; round++) {
              const id = (me * 100 + number) * 1000 + round * 7
              const rows = await one(id).then(
                result => result?.rows,
                () => undefined,
              )
              const found = rows?.[0]?.id
              if (found !== undefined && found !== id) wrong++
              if (found !== undefined) kinds |= 1 << (id % 16)
            }
          }
          await Promise.all(Array.from({ length: 12 }, (_, number) => task(number)))
          return { wrong, kinds: kinds > 0 }
        }, me + 1),
      ),
    )
    expect(seen).toEqual([1, 2, 3].map(() => ({ wrong: 0, kinds: true })))
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
    for (const worker of workers) worker.release()
    expect(await Promise.all(workers.map(({ exited }) => exited))).toEqual([0, 0, 0])
  },
)
