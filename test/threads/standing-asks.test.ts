import { threadId } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { type FastPool, fastPool } from '../support/fast-toy.ts'
import { heldBy } from '../support/held-by.ts'
import { stateOf } from '../support/observe.ts'
import { countPosts } from '../support/post-counter.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

/** A worker that holds one connection. */
async function holding(): Promise<TestWorker> {
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => {
    const pool = keep('pool', await attach())
    keep('held', await pool.connect())
  })
  return worker
}

/** One more caller of this worker waits; settles when the coordinator knows of that. */
async function queue({ pool }: FastPool, worker: TestWorker): Promise<void> {
  const asks = pool.slots.waiters
  await worker.run(({ keep, kept }) => void keep('next', { fairy: kept<PoolClient>('pool').connect() }))
  await eventually(() => pool.slots.waiters).toBe(asks + 1)
}

/** Its caller is served within the thread: what it asked for is needed no more, and nobody is told. */
const serveItself = (worker: TestWorker): Promise<void> =>
  worker.run(async ({ kept, keep }) => {
    await kept<RemoteToy>('held').close()
    keep('held', await kept<{ fairy: Promise<RemoteToy> }>('next').fairy)
  })

/** A worker whose ask stands at the coordinator while nothing is lent to it. */
async function standing(fast: FastPool): Promise<TestWorker> {
  const worker = await holding()
  await queue(fast, worker)
  await serveItself(worker)
  await worker.run(({ kept }) => kept<RemoteToy>('held').close())
  expect(fast.pool.slots.waiters).toBe(1)
  expect(fast.pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  return worker
}

const whoami = (worker: TestWorker): Promise<number> =>
  worker.run(async ({ kept }) => {
    const toy = (await kept<PoolClient>('pool').connect({ timeoutMs: 10_000 })) as RemoteToy
    const number = (await toy.whoami!()) as number
    await toy.close()
    return number
  })

/** Wakes a thread that stands still at this word. */
function wake(flag: Int32Array): void {
  Atomics.store(flag, 0, 1)
  Atomics.notify(flag, 0)
}

const newFlag = (): Int32Array => new Int32Array(new SharedArrayBuffer(4))

describe('an ask that stands while nobody waits keeps nobody from a connection', () => {
  it('that is idle: it is claimed without a message', async () => {
    const fast = fastPool()
    const worker = await standing(fast)
    const posts = countPosts()
    await worker.run(async ({ kept }) => (await kept<PoolClient>('pool').connect()).close())
    expect(posts).toEqual([])
    expect(fast.pool.slots.waiters).toBe(1)
  })

  it('that must be seen by a listener first', async () => {
    const fast = fastPool()
    const worker = await standing(fast)
    const seen: number[] = []
    fast.pool.on('checkout', connection => void seen.push(connection.number))
    expect(await whoami(worker)).toBe(1)
    expect(seen).toEqual([1])
  })

  it.each([
    ['by the pool', ({ pool }: FastPool) => pool.invalidate()],
    ['softly', ({ pool }: FastPool) => pool.records.at(0)!.invalidate(undefined, { soft: true })],
    ['hard', ({ pool }: FastPool) => pool.records.at(0)!.invalidate()],
    ['by its driver, which has lost it', ({ made }: FastPool) => made[0]!.lose()],
    ['by a dispose', ({ pool }: FastPool) => pool.dispose()],
  ])('that has been invalidated %s', async (_how, invalidate) => {
    const fast = fastPool()
    const worker = await standing(fast)
    await invalidate(fast)
    expect(await whoami(worker)).toBe(2)
    expect(fast.made[0]!.state).toBe('closed')
  })

  it('that is on offer to a thread which has served itself since, and stands still', async () => {
    const fast = fastPool({ poolSize: 3 })
    const { pool } = fast
    const own = await pool.connect()
    const [one, two] = [await holding(), await holding()]
    for (const worker of [one, two]) await queue(fast, worker)
    const [flag, done] = [newFlag(), newFlag()]
    one.runToDeath(
      async ({ kept, say }, flag, done) => {
        say('standing still')
        Atomics.wait(flag, 0, 0)
        // Without a look at the port: there is an offer.
        void kept<RemoteToy>('held').close()
        for (let i = 0; i < 10; i++) await Promise.resolve()
        Atomics.store(done, 0, 1)
        Atomics.wait(flag, 0, 1)
      },
      flag,
      done,
    )
    await one.hear()
    await own.close()
    expect(pool.status()).toMatchObject({ checkedin: 0, checkedout: 3, waiting: 2 })
    await serveItself(two)
    wake(flag)
    await eventually(() => Atomics.load(done, 0)).toBe(1)
    expect(pool.status()).toMatchObject({ checkedin: 0, checkedout: 3, waiting: 0 })
    expect(await whoami(two)).toBe(1)
    Atomics.store(flag, 0, 2)
    Atomics.notify(flag, 0)
  })
})

describe('what is on offer to a thread that stands still', () => {
  it('stays with it as long as a caller of it waits', async () => {
    const { pool } = fastPool()
    const own = await pool.connect()
    const worker = startWorker()
    const flag = newFlag()
    const used = worker.run(async ({ attach, say }, flag) => {
      const waiting = (await attach()).connect()
      await new Promise(setImmediate)
      say('standing still')
      Atomics.wait(flag, 0, 0)
      const toy = (await waiting) as RemoteToy
      const number = (await toy.whoami!()) as number
      await toy.close()
      return number
    }, flag)
    await worker.hear()
    await eventually(() => pool.slots.waiters).toBe(1)
    await own.close()
    const next = pool.connect()
    expect(await stateOf(next)).toBe('pending')
    wake(flag)
    expect(await used).toBe(1)
    expect((await next).number).toBe(1)
    await (await next).close()
  })

  it.each([
    ['waits already', 'before'],
    ['begins to wait', 'after'],
  ])(
    'is taken back when its caller has left and somebody else %s, and what it says of it later is void',
    async (_when, when) => {
      const { pool } = fastPool({ timeoutMs: 10_000 })
      const own = await pool.connect()
      const worker = startWorker()
      const [flag, done] = [newFlag(), newFlag()]
      const over = worker.run(
        async ({ attach, keep, failureOf, say }, flag, done) => {
          const pool = keep('pool', await attach())
          const controller = new AbortController()
          const failure = failureOf(() => pool.connect({ signal: controller.signal }))
          await new Promise(setImmediate)
          say('standing still')
          Atomics.wait(flag, 0, 0)
          controller.abort(new RangeError('enough'))
          for (let i = 0; i < 10; i++) await Promise.resolve()
          Atomics.store(done, 0, 1)
          // It has said that it has left, and has not read what it was granted.
          Atomics.wait(flag, 0, 1)
          return failure
        },
        flag,
        done,
      )
      await worker.hear()
      await eventually(() => pool.slots.waiters).toBe(1)
      await own.close()
      const next = when === 'before' ? pool.connect() : undefined
      wake(flag)
      await eventually(() => Atomics.load(done, 0)).toBe(1)
      const fairy = await (next ?? pool.connect())
      expect(pool.status()).toMatchObject({ checkedout: 1, waiting: 0 })
      Atomics.store(flag, 0, 2)
      Atomics.notify(flag, 0)
      expect(await over).toMatchObject({ class: 'RangeError', message: 'enough' })
      // By now it has read the offer.
      await worker.run(({ kept }) => kept<PoolClient>('pool').status())
      expect(fairy.isValid).toBe(true)
      expect(heldBy(pool)).toEqual({ [threadId]: 1 })
      await fairy.close()
      expect(await whoami(worker)).toBe(1)
      expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
    },
  )
})
