import { setImmediate } from 'node:timers/promises'
import type { Client } from 'pg'
import { expect, it } from 'vitest'
import { startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

/** Checkouts in all; the long run has 100,000. */
const cycles = Number(process.env.FAIRYPOOL_CYCLES ?? 20_000)
const threads = 4
const tasks = 4
const mebibyte = 2 ** 20

/** Each of the worker's tasks borrows, asks and gives back, again and again. */
const cycle = (worker: TestWorker, count: number, method: string, args: readonly unknown[]): Promise<number> =>
  worker.run(
    async ({ attach }, count, tasks, method, args) => {
      const pool = await attach()
      let done = 0
      const task = async (): Promise<void> => {
        while (done < count) {
          done++
          const fairy = (await pool.connect()) as RemoteToy
          await fairy[method]!(...args)
          await fairy.close()
        }
      }
      await Promise.all(Array.from({ length: tasks }, task))
      return done
    },
    count,
    tasks,
    method,
    args,
  )

/** The heap that a thread uses once its garbage is gone: a few collections, for finalizers make garbage too. */
const heapHere = async (): Promise<number> => {
  for (let sweep = 0; sweep < 4; sweep++) {
    await setImmediate()
    globalThis.gc!()
  }
  return process.memoryUsage().heapUsed
}

const heapThere = (worker: TestWorker): Promise<number> =>
  worker.run(async ({ collect }) => {
    for (let sweep = 0; sweep < 4; sweep++) await collect()
    return process.memoryUsage().heapUsed
  })

async function cyclesLeaveNothing(
  pool: QueuePool<ToyConnection> | QueuePool<Client>,
  { count, method, args }: { count: number; method: string; args: readonly unknown[] },
): Promise<void> {
  const workers = Array.from({ length: threads }, () => startWorker())
  const run = (count: number) => Promise.all(workers.map(worker => cycle(worker, count / threads, method, args)))
  const settled = async (): Promise<number[]> => {
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
    return [await heapHere(), ...(await Promise.all(workers.map(heapThere)))]
  }
  // What is compiled, cached and grown to its working size in the first thousands stays.
  await run(Math.min(count, 8000))
  const before = await settled()
  const start = performance.now()
  const done = (await run(count)).reduce((sum, each) => sum + each, 0)
  const seconds = (performance.now() - start) / 1000
  const after = await settled()
  const growth = after.map((bytes, i) => bytes - before[i]!)
  const inKibibytes = growth.map(bytes => Math.round(bytes / 1024)).join(', ')
  console.log(
    `${done} cycles of ${method} in ${seconds.toFixed(1)} s; heap growth in KiB, coordinator first: ${inKibibytes}`,
  )
  expect(done).toBe(count)
  const { idle, empty, ...others } = pool.slots.counts()
  expect(idle + empty).toBe(4)
  expect(Object.values(others)).toEqual([0, 0, 0, 0, 0])
  expect(pool.status()).toMatchObject({ checkedin: 4, checkedout: 0, waiting: 0 })
  for (const bytes of growth) expect(bytes).toBeLessThan(mebibyte)
}

it(`${cycles} checkouts from ${threads} threads leave every slot idle, nothing checked out, and no heap behind`, async () => {
  const { creator, made } = toyCreator()
  // A toy that keeps no log of its life, for that would be heap too.
  const pool = openPool<ToyConnection>({ creator, poolSize: 4, maxOverflow: 0, resetOnReturn: 'none' })
  await cyclesLeaveNothing(pool, { count: cycles, method: 'echoLater', args: [{ some: ['value'] }] })
  expect(made).toHaveLength(4)
}, 600_000)

it(`${cycles / 10} checkouts with queries to PostgreSQL leave as little`, async () => {
  const server = await startPostgres()
  try {
    const pool = openPool<Client>({ dialect: pg(server.connectionString), poolSize: 4, maxOverflow: 0 })
    await cyclesLeaveNothing(pool, { count: cycles / 10, method: 'query', args: ['select $1::int as n', [1]] })
  } finally {
    await server.remove()
  }
}, 600_000)
