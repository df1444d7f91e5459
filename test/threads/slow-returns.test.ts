import { describe, expect, it } from 'vitest'
import type { PoolOptions } from '../../src/pool/options.ts'
import { kind } from '../../src/protocol/messages.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { type FastPool, type FastToy, fastPool } from '../support/fast-toy.ts'
import { stateOf } from '../support/observe.ts'
import { poolWarnings } from '../support/pool-warnings.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

/** A pool, and a worker that counts the messages it sends and has the connection `toy`. */
async function borrowed(options?: PoolOptions<FastToy>): Promise<FastPool & { readonly worker: TestWorker }> {
  const fast = fastPool(options)
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => {
    const pool = keep('pool', await attach())
    const posts = keep<number[]>('posts', [])
    const { postMessage } = MessagePort.prototype
    MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
      if (Array.isArray(args[0])) for (const [kind] of args[0]) posts.push(kind)
      return Reflect.apply(postMessage, this, args)
    }
    await (await pool.connect()).close()
    keep('toy', await pool.connect())
    posts.length = 0
  })
  return { ...fast, worker }
}

/** What a worker has said since it was last asked. */
const said = (worker: TestWorker): Promise<number[]> => worker.run(({ kept }) => kept<number[]>('posts').splice(0))

const isHome = ({ pool }: FastPool) => eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })

describe("a close() goes by the coordinator's hands", () => {
  it('where a transaction was left open: it is rolled back', async () => {
    const fast = await borrowed()
    await fast.worker.run(async ({ kept }) => {
      await kept<RemoteToy>('toy').begin!()
      await kept<RemoteToy>('toy').close()
    })
    await isHome(fast)
    expect(await said(fast.worker)).toEqual([kind.call, kind.end])
    expect(fast.made[0]!.log).toEqual(['begin', 'rollback'])
  })

  it('but not where the transaction was ended: the next lease of it is as quick as ever', async () => {
    const fast = await borrowed()
    await fast.worker.run(async ({ kept }) => {
      const toy = kept<RemoteToy>('toy')
      await toy.begin!()
      await toy.rollback!()
      await toy.close()
      await (await kept<PoolClient>('pool').connect()).close()
    })
    expect(fast.pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    expect(await said(fast.worker)).toEqual([kind.call, kind.call])
    expect(fast.made[0]!.log).toEqual(['begin', 'rollback'])
  })

  it('where the call that opens a transaction has not been awaited', async () => {
    const fast = await borrowed()
    await fast.worker.run(async ({ kept }) => {
      const toy = kept<RemoteToy>('toy')
      const begun = toy.begin!()
      await toy.close()
      await begun
    })
    await isHome(fast)
    expect(fast.made[0]!.log).toEqual(['begin', 'rollback'])
  })

  it('where one of several calls is in flight: nobody gets the connection before it has settled', async () => {
    poolWarnings()
    const fast = await borrowed()
    const held = fast.worker.run(async ({ kept }) => {
      const toy = kept<RemoteToy>('toy')
      const held = toy.hold!()
      await toy.whoami!()
      await toy.close()
      return held
    })
    await eventually(() => fast.made[0]!.holding).toBe(1)
    const next = fast.pool.connect()
    expect(await stateOf(next)).toBe('pending')
    fast.made[0]!.letGo()
    expect(await held).toBe('let go')
    expect((await next).number).toBe(1)
    await (await next).close()
  })

  it('where a cursor is open, or was: it is closed, and the next lease has none of it', async () => {
    const fast = await borrowed()
    for (const batches of [1, 5]) {
      await fast.worker.run(async ({ kept, keep }, batches) => {
        const toy = kept<RemoteToy>('toy')
        const rows = toy.cursor(3)[Symbol.asyncIterator]()
        for (let i = 0; i < batches; i++) await rows.next()
        await toy.close()
        const next = keep('toy', (await kept<PoolClient>('pool').connect()) as RemoteToy)
        await next.whoami!()
      }, batches)
      expect(fast.made[0]!.cursors).toBe(0)
      expect(await said(fast.worker)).toContain(kind.end)
    }
  })

  it('where a result has stayed behind: it is let go', async () => {
    const fast = await borrowed()
    const failure = await fast.worker.run(async ({ kept, failureOf }) => {
      const toy = kept<RemoteToy>('toy')
      const statement = (await toy.prepare!('x')) as RemoteToy
      await statement.run!()
      await toy.close()
      return failureOf(() => statement.run!())
    })
    await isHome(fast)
    expect(failure.class).toBe('StaleLeaseError')
    expect(await said(fast.worker)).toEqual([kind.call, kind.call, kind.end, kind.call])
    await fast.worker.run(async ({ kept }) => (await kept<PoolClient>('pool').connect()).close())
    expect(await said(fast.worker)).toEqual([])
  })

  it('where a callback waits for the connection, at the end of just this lease (241)', async () => {
    const fast = await borrowed()
    const finalized: number[] = []
    fast.pool.records.at(0)!.finalizeCallback(({ number }) => finalized.push(number))
    await fast.worker.run(async ({ kept }) => {
      // A call that settles must not make the callback forgotten.
      await kept<RemoteToy>('toy').whoami!()
      await kept<RemoteToy>('toy').close()
    })
    await eventually(() => finalized).toEqual([1])
    await isHome(fast)
    await said(fast.worker)
    await fast.worker.run(async ({ kept }) => (await kept<PoolClient>('pool').connect()).close())
    expect(await said(fast.worker)).toEqual([])
    expect(finalized).toEqual([1])
  })

  it.each([
    ['are more connections than the pool keeps', 1],
    ['is no surplus', 3],
  ])('as long as there %s (30)', async (_what, poolSize) => {
    const fast = fastPool({ poolSize, maxOverflow: 2 })
    const worker = startWorker()
    await worker.run(async ({ attach }) => {
      const pool = await attach()
      for (let round = 0; round < 3; round++) {
        const all = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
        for (const fairy of all) await fairy.close()
        await pool.status()
      }
    })
    await eventually(() => fast.pool.status().checkedout).toBe(0)
    expect(fast.pool.status().checkedin).toBe(poolSize)
    expect(fast.made.filter(({ state }) => state === 'open')).toHaveLength(poolSize)
    const [own] = [await fast.pool.connect()]
    await own.close()
  })
})

describe('after a dispose()', () => {
  it('what threads hold by themselves is closed when it comes home, and the pool opens anew (246, 247)', async () => {
    const fast = fastPool({ poolSize: 2 })
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const pool = keep('pool', await attach())
      const opened = await Promise.all([pool.connect(), pool.connect()])
      for (const fairy of opened) await fairy.close()
      keep('both', [await pool.connect(), await pool.connect()])
    })
    expect([...fast.pool.records].map(({ isUnmet }) => isUnmet)).toEqual([true, true])
    await fast.pool.dispose()
    expect(fast.made.map(({ state }) => state)).toEqual(['open', 'open'])
    const numbers = await worker.run(async ({ kept }) => {
      const both = kept<RemoteToy[]>('both')
      const before = [await both[0]!.whoami!(), await both[1]!.whoami!()] as unknown[]
      for (const fairy of both) await fairy.close()
      const next = (await kept<PoolClient>('pool').connect()) as RemoteToy
      const after = (await next.whoami!()) as unknown
      await next.close()
      return { before, after }
    })
    expect(numbers).toEqual({ before: [1, 2], after: 3 })
    await eventually(() => fast.made.map(({ state }) => state)).toEqual(['closed', 'closed', 'open'])
    expect(fast.pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('nothing of before is left, however often, and however busy threads are that return by themselves', async () => {
    const fast = fastPool({ poolSize: 2 })
    const stop = new Int32Array(new SharedArrayBuffer(4))
    const workers = [startWorker(), startWorker()]
    const busy = workers.map(worker =>
      worker.run(async ({ attach, say }, stop) => {
        const pool = await attach()
        for (let round = 0; Atomics.load(stop, 0) === 0; round++) {
          await (await pool.connect()).close()
          if (round === 50) say('busy')
          if (round % 50 === 0) await new Promise(setImmediate)
        }
      }, stop),
    )
    await Promise.all(workers.map(worker => worker.hear()))
    for (let round = 0; round < 30; round++) await fast.pool.dispose()
    const old = fast.made.slice()
    Atomics.store(stop, 0, 1)
    await Promise.all(busy)
    await eventually(() => fast.pool.status().checkedout).toBe(0)
    // Opened before the last dispose, or by a checkout that it has overtaken.
    await eventually(() => old.filter(({ state }) => state === 'open')).toEqual([])
    expect(fast.made.filter(({ state }) => state === 'open').length).toBe(fast.pool.status().checkedin)
  })
})
