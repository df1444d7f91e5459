import { describe, expect, it } from 'vitest'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { kind } from '../../src/protocol/messages.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { type FastToy, fastPool } from '../support/fast-toy.ts'
import { heldBy } from '../support/held-by.ts'
import { openPool } from '../support/open-pool.ts'
import { countPosts } from '../support/post-counter.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { runScript, sourceUrl } from '../support/run-script.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

/** Long enough for a collection, however busy the machine is; V8 by itself collects nothing in a thread that does nothing. */
const patience = { timeoutMs: 5000 }

/** Connections that must be reset, so that each return is a message; `fastPool` is the same without. */
function starving(options: PoolOptions<ToyConnection> = {}): QueuePool<ToyConnection> {
  const { creator } = toyCreator()
  return openPool<ToyConnection>({ creator, poolSize: 1, maxOverflow: 0, collectOnStarvation: true, ...options })
}

const starvingFast = (options: PoolOptions<FastToy> = {}): QueuePool<FastToy> =>
  fastPool({ collectOnStarvation: true, ...options }).pool

/** So many connections are checked out in this worker, and forgotten. */
const forget = (worker: TestWorker, count = 1): Promise<void> =>
  worker.run(async ({ attach, keep }, count) => {
    const pool = keep('pool', await attach())
    for (let i = 0; i < count; i++) await pool.connect()
  }, count)

/** The same on this thread. */
async function forgetHere(pool: QueuePool<ToyConnection>): Promise<void> {
  await pool.connect()
}

/** The number of the connection that a caller in this worker gets. */
const served = (worker: TestWorker): Promise<number> =>
  worker.run(async ({ attach }, patience) => {
    const toy = (await (await attach()).connect(patience)) as RemoteToy
    const number = (await toy.whoami!()) as number
    await toy.close()
    return number
  }, patience)

/** Somebody waits, until the function is called that is returned. */
function stand(pool: QueuePool<ToyConnection>): () => Promise<void> {
  const controller = new AbortController()
  const left = expect(pool.connect({ timeoutMs: null, signal: controller.signal })).rejects.toThrow('enough')
  return () => {
    controller.abort(new Error('enough'))
    return left
  }
}

/** How many requests to collect have been posted. */
const asks = (posts: readonly number[][]): number => posts.flat().filter(each => each === kind.collect).length

describe('a pool that is starved by forgotten fairies', () => {
  it.each([
    ['by a message', starving],
    ['in shared memory', starvingFast],
  ] as const)('of a worker gets them back, %s', async (_how, make) => {
    const pool = make({ poolSize: 2 })
    const worker = startWorker()
    await forget(worker, 2)
    expect((await pool.connect(patience)).isValid).toBe(true)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 1, collections: 1, reclaimed: 2 })
    expect(await worker.run(async ({ kept }) => `${await kept<PoolClient>('pool').status()}`)).toMatch(
      /collections 1, reclaimed 2$/,
    )
  })

  it.each([
    ['by a message', starving],
    ['in shared memory', starvingFast],
  ] as const)('of the very thread whose caller waits gets them back, %s', async (_how, make) => {
    const pool = make()
    const worker = startWorker()
    await forget(worker)
    expect(await served(worker)).toBe(1)
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, collections: 1, reclaimed: 1 })
  })

  it("of the coordinator's thread gets them back, for a caller there and for one in a worker", async () => {
    const pool = starving()
    const worker = startWorker()
    await forgetHere(pool)
    await (await pool.connect(patience)).close()
    await eventually(() => pool.status()).toMatchObject({ collections: 1, reclaimed: 1 })
    await forgetHere(pool)
    expect(await served(worker)).toBe(1)
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, collections: 2, reclaimed: 2 })
  })

  it('of two workers gets them back from both', async () => {
    const pool = starving({ poolSize: 2 })
    const workers = [startWorker(), startWorker()]
    for (const worker of workers) await forget(worker)
    expect(heldBy(pool)).toEqual(Object.fromEntries(workers.map(({ threadId }) => [threadId, 1])))
    const waiting = [pool.connect(patience), pool.connect(patience)]
    expect((await Promise.all(waiting)).map(fairy => fairy.isValid)).toEqual([true, true])
    await eventually(() => pool.status().reclaimed).toBe(2)
  })

  it('lets a query in flight alone, and what is held, and gets the rest', async () => {
    const pool = starving({ poolSize: 3 })
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const pool = await attach()
      keep('held', await pool.connect())
      keep('call', ((await pool.connect()) as RemoteToy).hold!())
      await pool.connect()
    })
    const one = await pool.connect(patience)
    expect(await one.whoami()).toBe(3)
    const leave = stand(pool)
    await eventually(() => pool.status().collections).toBeGreaterThan(3)
    await leave()
    expect(pool.status().reclaimed).toBe(1)
    expect(await worker.run(({ kept }) => kept<RemoteToy>('held').isValid)).toBe(true)
    expect(await worker.run(({ kept }) => kept<RemoteToy>('held').whoami!())).toBe(1)
  })
})

describe('no thread is asked to collect', () => {
  it('when the option is off', async () => {
    const pool = starving({ collectOnStarvation: false })
    const posts = countPosts()
    await forget(startWorker())
    await expect(pool.connect({ timeoutMs: 300 })).rejects.toMatchObject({ code: 'FAIRYPOOL_TIMEOUT' })
    expect([asks(posts), pool.status().collections]).toEqual([0, 0])
  })

  it('when it holds nothing', async () => {
    const pool = starving()
    await startWorker().run(async ({ attach }) => (await (await attach()).connect()).close())
    const held = await pool.connect()
    const posts = countPosts()
    const leave = stand(pool)
    // Every one of them is of this thread.
    await eventually(() => pool.status().collections).toBeGreaterThan(3)
    await leave()
    expect([asks(posts), held.isValid]).toEqual([0, true])
  })
})

describe('a thread whose loop is blocked', () => {
  /** A worker that has forgotten a connection and stands still until it is woken. */
  async function asleep(): Promise<{ worker: TestWorker; wake: () => void }> {
    const worker = startWorker()
    await forget(worker)
    const flag = new Int32Array(new SharedArrayBuffer(4))
    worker.runToDeath(({ say }, flag) => {
      say('asleep')
      Atomics.wait(flag, 0, 0)
    }, flag)
    await worker.hear()
    return {
      worker,
      wake: () => {
        Atomics.store(flag, 0, 1)
        Atomics.notify(flag, 0)
      },
    }
  }

  it('collects when it is free again; it is asked once', async () => {
    const pool = starving()
    const { wake } = await asleep()
    const posts = countPosts()
    const waiting = pool.connect(patience)
    await eventually(() => asks(posts)).toBe(1)
    expect(pool.status()).toMatchObject({ collections: 0, waiting: 1 })
    wake()
    expect([(await waiting).isValid, asks(posts)]).toEqual([true, 1])
    await eventually(() => pool.status()).toMatchObject({ collections: 1, reclaimed: 1 })
  })

  it('holds nobody up: the next one is asked', async () => {
    const pool = starving({ poolSize: 2 })
    await asleep()
    await forget(startWorker())
    expect(await (await pool.connect(patience)).whoami()).toBe(2)
    await eventually(() => pool.status()).toMatchObject({ collections: 1, reclaimed: 1 })
  })

  it('may die meanwhile: its connection is replaced, and others are asked as ever', async () => {
    const pool = starving()
    const { worker } = await asleep()
    const posts = countPosts()
    const waiting = pool.connect(patience)
    await eventually(() => asks(posts)).toBe(1)
    await worker.terminate()
    const fairy = await waiting
    expect(await fairy.whoami()).toBe(2)
    await fairy.close()
    await forget(startWorker())
    expect(await (await pool.connect(patience)).whoami()).toBe(2)
    await eventually(() => pool.status()).toMatchObject({ collections: 1, reclaimed: 1 })
  })
})

it('a process ends by itself though its pool is starved, and somebody waits for ever', async () => {
  const run = await runScript(`
    import { createPool } from '${sourceUrl('index.js')}'
    const creator = () => ({ rollback() {}, close() {} })
    const pool = createPool({ creator, poolSize: 1, maxOverflow: 0, timeoutMs: null, collectOnStarvation: true })
    globalThis.held = await pool.connect()
    void pool.connect()
    console.log('end of script')`)
  expect(run).toMatchObject({ code: 0, output: 'end of script\n', errors: '' })
})
