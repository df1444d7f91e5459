import { describe, expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { fastPool } from '../support/fast-toy.ts'
import { LeaseWatch } from '../support/lease-watch.ts'
import { countPosts } from '../support/post-counter.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

/** A worker that is attached to the pool. */
async function attached(): Promise<TestWorker> {
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => void keep('pool', await attach()))
  return worker
}

/** So many checkouts and returns, one after another. */
const rounds = (worker: TestWorker, count: number): Promise<void> =>
  worker.run(async ({ kept }, count) => {
    const pool = kept<PoolClient>('pool')
    for (let round = 0; round < count; round++) await (await pool.connect()).close()
  }, count)

describe('a listener that is added while threads lend to themselves', () => {
  it.each(['checkout', 'checkin', 'reset'] as const)(
    'to %s is told of every one from then on, until it is removed',
    async event => {
      const { pool } = fastPool()
      const worker = await attached()
      await rounds(worker, 3)
      let told = 0
      const listener = (): void => void told++
      for (let time = 1; time <= 3; time++) {
        pool.on(event, listener)
        await rounds(worker, 4)
        await eventually(() => told).toBe(time * 4)
        pool.off(event, listener)
        await eventually(() => pool.status().checkedout).toBe(0)
        const posts = countPosts()
        await rounds(worker, 4)
        expect(posts).toEqual([])
      }
      expect(told).toBe(12)
    },
  )

  it('to checkout misses none that begins after it is there, however busy the threads are', async () => {
    const { pool } = fastPool({ poolSize: 2 })
    const words = new Int32Array(new SharedArrayBuffer(12))
    const workers = [await attached(), await attached()]
    const busy = workers.map(worker =>
      worker.run(async ({ kept, say }, words) => {
        const pool = kept<PoolClient>('pool')
        let begun = 0
        for (let round = 0; Atomics.load(words, 1) === 0; round++) {
          const isLate = Atomics.load(words, 0) === 1
          const fairy = await pool.connect()
          if (isLate) begun++
          if (round === 50) say('busy')
          await fairy.close()
          if (round % 20 === 0) await new Promise(setImmediate)
        }
        return begun
      }, words),
    )
    await Promise.all(workers.map(worker => worker.hear()))
    let told = 0
    pool.on('checkout', () => void told++)
    Atomics.store(words, 0, 1)
    await eventually(() => told).toBeGreaterThan(50)
    Atomics.store(words, 1, 1)
    const begun = (await Promise.all(busy)).reduce((sum, each) => sum + each)
    expect(begun).toBeGreaterThan(0)
    expect(told).toBeGreaterThanOrEqual(begun)
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })

  it('to checkout sees the callers that wait in a thread already: none is served behind its back', async () => {
    const { pool } = fastPool()
    const worker = await attached()
    await worker.run(async ({ kept, keep }) => {
      const pool = kept<PoolClient>('pool')
      keep('held', await pool.connect())
      keep(
        'used',
        Array.from({ length: 5 }, () => pool.use(() => {})),
      )
    })
    let told = 0
    pool.on('checkout', () => void told++)
    await worker.run(async ({ kept }) => {
      await kept<RemoteToy>('held').close()
      await Promise.all(kept<Promise<void>[]>('used'))
    })
    expect(told).toBe(5)
  })

  it.each(['checkin', 'reset'] as const)(
    'to %s is told of the end of a lease that nobody has told the coordinator of',
    async event => {
      const { pool } = fastPool()
      const worker = await attached()
      await rounds(worker, 1)
      await worker.run(async ({ kept, keep }) => void keep('held', await kept<PoolClient>('pool').connect()))
      expect(pool.records.at(0)!.isUnmet).toBe(true)
      const lines: string[] = []
      pool.on(event, () => void lines.push(event))
      await worker.run(({ kept }) => kept<RemoteToy>('held').close())
      expect(lines).toEqual([event])
      expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    },
  )

  it('to checkin, and fails, fails the close() of such a lease, and the connection is home all the same (285)', async () => {
    const { pool } = fastPool()
    const worker = await attached()
    await rounds(worker, 1)
    await worker.run(async ({ kept, keep }) => void keep('held', await kept<PoolClient>('pool').connect()))
    pool.on('checkin', () => {
      throw new RangeError('on purpose')
    })
    const failure = await worker.run(({ kept, failureOf }) => failureOf(() => kept<RemoteToy>('held').close()))
    expect(failure).toMatchObject({ class: 'RangeError', message: 'on purpose' })
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })
})

describe('subscribers of the diagnostics channels', () => {
  it('hear of every lease after the next message, also of the end of one that was lent before', async () => {
    const { pool } = fastPool()
    const worker = await attached()
    await rounds(worker, 3)
    await worker.run(async ({ kept, keep }) => void keep('held', await kept<PoolClient>('pool').connect()))
    const watch = new LeaseWatch(pool)
    await worker.run(({ kept }) => kept<RemoteToy>('held').whoami!() as Promise<unknown>)
    await worker.run(({ kept }) => kept<RemoteToy>('held').close())
    await eventually(() => watch.reasons).toEqual(['closed'])
    await rounds(worker, 4)
    await eventually(() => watch.reasons).toEqual(Array(5).fill('closed'))
    expect(watch.starts).toHaveLength(5)
    expect(watch.starts.map(({ lease }) => lease)).toEqual(watch.ends.map(({ lease }) => lease))
    expect(new Set(watch.starts.map(({ lease }) => lease)).size).toBe(5)
    for (const { threadId } of watch.starts) expect(threadId).toBe(worker.threadId)
  })

  it('hear of the leases that callers of one thread hand to each other', async () => {
    const { pool } = fastPool()
    const watch = new LeaseWatch(pool)
    const worker = await attached()
    await worker.run(async ({ kept }) => {
      const pool = kept<PoolClient>('pool')
      await Promise.all(Array.from({ length: 5 }, () => pool.use(() => {})))
    })
    await eventually(() => watch.reasons).toEqual(Array(5).fill('closed'))
    expect(watch.starts.map(({ lease }) => lease)).toEqual(watch.ends.map(({ lease }) => lease))
  })
})
