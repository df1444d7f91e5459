import { describe, expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { fastPool } from '../support/fast-toy.ts'
import { countPosts } from '../support/post-counter.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

async function attached(): Promise<TestWorker> {
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => void keep('pool', await attach()))
  return worker
}

/** So many turns, one after the other, counted in a word that all share. */
const takeTurns = (worker: TestWorker, turns: number, count: Int32Array): Promise<void> =>
  worker.run(
    async ({ kept }, turns, count) => {
      const pool = kept<PoolClient>('pool')
      while (Atomics.load(count, 0) < turns) {
        const fairy = await pool.connect()
        Atomics.add(count, 0, 1)
        await fairy.close()
      }
    },
    turns,
    count,
  )

/** Keeps one connection, and one caller that waits for another. */
const holdAndWait = (worker: TestWorker, what: 'hold' | 'wait'): Promise<void> =>
  worker.run(async ({ keep, kept }, what) => {
    const fairy = kept<PoolClient>('pool').connect()
    if (what === 'hold') keep('held', await fairy)
    else keep('next', { fairy })
  }, what)

const release = (worker: TestWorker): Promise<void> => worker.run(({ kept }) => kept<RemoteToy>('held').close())

describe('more threads than connections, with a caller each', () => {
  it('hand connections to each other: the coordinator has no part in it', async () => {
    fastPool({ poolSize: 2 })
    const workers = await Promise.all([attached(), attached(), attached(), attached(), attached()])
    const turns = 4000
    const count = new Int32Array(new SharedArrayBuffer(4))
    const posts = countPosts()
    await Promise.all(workers.map(worker => takeTurns(worker, turns, count)))
    // A post for each turn, at least, if it granted them. Some it does grant: those in whose way the machine was.
    expect(posts.length).toBeLessThan(turns / 4)
  })

  it('do so while the coordinator stands still', async () => {
    fastPool({ poolSize: 2 })
    const workers = await Promise.all([attached(), attached(), attached(), attached()])
    const count = new Int32Array(new SharedArrayBuffer(4))
    const turns = 2 ** 30
    const all = Promise.all(workers.map(worker => takeTurns(worker, turns, count)))
    await eventually(() => Atomics.load(count, 0)).toBeGreaterThan(400)
    const before = Atomics.load(count, 0)
    const end = performance.now() + 5000
    while (Atomics.load(count, 0) < before + 100 && performance.now() < end);
    expect(Atomics.load(count, 0)).toBeGreaterThanOrEqual(before + 100)
    Atomics.store(count, 0, turns)
    await all
  })

  it('whose first in line dies once it has been rung for: the next one is served', async () => {
    const { pool } = fastPool()
    const [holder, doomed, next] = await Promise.all([attached(), attached(), attached()])
    await holdAndWait(holder, 'hold')
    for (const [at, worker] of [doomed, next].entries()) {
      await holdAndWait(worker, 'wait')
      await eventually(() => pool.slots.waiters).toBe(at + 1)
    }
    const flag = new Int32Array(new SharedArrayBuffer(4))
    doomed.runToDeath(({ say }, flag) => {
      say('standing still')
      Atomics.wait(flag, 0, 0)
    }, flag)
    await doomed.hear()
    await release(holder)
    await doomed.terminate()
    await next.run(async ({ kept }) => (await kept<{ fairy: Promise<RemoteToy> }>('next').fairy).close())
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })

  it("serve the coordinator's own callers in their turn", async () => {
    const { pool } = fastPool()
    const [holder, later] = await Promise.all([attached(), attached()])
    await holdAndWait(holder, 'hold')
    const own = pool.connect()
    await holdAndWait(later, 'wait')
    await eventually(() => pool.slots.waiters).toBe(2)
    await release(holder)
    await (await own).close()
    await later.run(async ({ kept }) => (await kept<{ fairy: Promise<RemoteToy> }>('next').fairy).close())
  })
})
