import { describe, expect, it } from 'vitest'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { kind } from '../../src/protocol/messages.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { countPosts } from '../support/post-counter.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

const { ask, leave, call, end, grant, answer } = kind

/** A connection that never needs a reset: its return is not the coordinator's business. */
const clean: PoolOptions<ToyConnection> = { resetOnReturn: 'none' }

/** A pool, a worker attached to it that counts its posts, and this thread's count. */
async function counted(options: PoolOptions<ToyConnection> = {}): Promise<{
  pool: QueuePool<ToyConnection>
  worker: TestWorker
  mine: number[][]
  theirs: () => Promise<number[][]>
}> {
  const { creator } = toyCreator()
  const pool = openPool({ creator, poolSize: 8, maxOverflow: 0, ...options })
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => {
    const pool = keep('pool', await attach())
    // Every connection is open, so that what follows is what a pool does all day.
    const all = await Promise.all(
      Array.from({ length: 8 }, () => pool.uniqueConnection({ timeoutMs: 0 }).catch(() => undefined)),
    )
    await Promise.all(all.map(each => each?.close()))
    await pool.status()
    const posts = keep<number[][]>('posts', [])
    const { postMessage } = MessagePort.prototype
    MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
      if (Array.isArray(args[0])) posts.push(args[0].map(([kind]) => kind))
      return Reflect.apply(postMessage, this, args)
    }
  })
  return {
    pool,
    worker,
    mine: countPosts(),
    theirs: () => worker.run(({ kept }) => kept<number[][]>('posts').splice(0)),
  }
}

describe('messages between a worker and the coordinator', () => {
  const rounds = 50
  const connectQueryClose = (worker: TestWorker): Promise<void> =>
    worker.run(async ({ kept }, rounds) => {
      const pool = kept<PoolClient>('pool')
      for (let round = 0; round < rounds; round++) {
        const toy = (await pool.connect()) as RemoteToy
        await toy.echoLater!(round)
        await toy.close()
        // One round is done before the next begins: what is told here travels with nothing else.
        await new Promise(setImmediate)
      }
    }, rounds)

  it('are, for connect + query + close, one round trip for the query: the rest is done in shared memory', async () => {
    const { worker, mine, theirs, pool } = await counted(clean)
    await connectQueryClose(worker)
    expect(await theirs()).toEqual(Array(rounds).fill([call]))
    expect(mine).toEqual(Array(rounds).fill([answer]))
    expect(pool.status().checkedout).toBe(0)
  })

  it('are one more, one-way, where the connection has to be reset', async () => {
    const { worker, mine, theirs, pool } = await counted()
    await connectQueryClose(worker)
    expect(await theirs()).toEqual(
      Array(rounds)
        .fill([[call], [end]])
        .flat(),
    )
    expect(mine).toEqual(Array(rounds).fill([answer]))
    await eventually(() => pool.status().checkedout).toBe(0)
  })

  it('are one more round trip where somebody wants to see the checkout', async () => {
    const { worker, mine, theirs, pool } = await counted()
    pool.on('checkout', () => {})
    await connectQueryClose(worker)
    expect(await theirs()).toEqual(
      Array(rounds)
        .fill([[ask], [call], [end]])
        .flat(),
    )
    expect(mine).toEqual(
      Array(rounds)
        .fill([[grant], [answer]])
        .flat(),
    )
    await eventually(() => pool.status().checkedout).toBe(0)
  })

  it('are fewer when a close and the next connect are asked for together', async () => {
    const { worker, mine, theirs, pool } = await counted()
    pool.on('checkout', () => {})
    await worker.run(async ({ kept }) => {
      const pool = kept<PoolClient>('pool')
      let toy = (await pool.connect()) as RemoteToy
      for (let round = 0; round < 3; round++) {
        await toy.whoami!()
        const closed = toy.close()
        toy = (await pool.connect()) as RemoteToy
        await closed
      }
    })
    const round = [[call], [end, ask]]
    expect(await theirs()).toEqual([[ask], ...round, ...round, ...round])
    expect(mine).toHaveLength(7)
  })

  it('of one tick travel together: 8 tasks cost as many posts as one', async () => {
    const { worker, mine, theirs } = await counted()
    await worker.run(async ({ kept }) => {
      const pool = kept<PoolClient>('pool')
      const task = () => pool.use(toy => (toy as RemoteToy).echoLater!(1))
      await Promise.all(Array.from({ length: 8 }, task))
    })
    expect(await theirs()).toEqual([Array(8).fill(call), Array(8).fill(end)])
    expect(mine).toEqual([Array(8).fill(answer)])
  })

  it('of 8 tasks on 2 connections are their queries, and one that asks for more: the tasks hand them on', async () => {
    const { worker, theirs, mine } = await counted({ ...clean, poolSize: 2 })
    await worker.run(async ({ kept }) => {
      const pool = kept<PoolClient>('pool')
      await Promise.all(Array.from({ length: 8 }, () => pool.use(toy => (toy as RemoteToy).echoLater!(1))))
    })
    const posts = await theirs()
    expect(posts.flat().sort((a, b) => a - b)).toEqual([ask, ...Array(8).fill(call)])
    expect(mine).toEqual(Array(4).fill([answer, answer]))
  })

  it('are none for nested checkouts in a pool with useThreadlocal, and none for facts about a fairy', async () => {
    const { worker, mine, theirs } = await counted({ useThreadlocal: true })
    await worker.run(async ({ kept }) => {
      const pool = kept<PoolClient>('pool')
      const outer = await pool.connect()
      const inner = await pool.connect()
      const facts = [inner.isValid, inner.generation, inner.connection, `${inner.info}`]
      await inner.close()
      await outer.close()
      if (facts.length === 0) throw new Error('never')
    })
    expect(await theirs()).toEqual([[end]])
    expect(mine).toEqual([])
  })

  it('are one one-way message when a caller has left', async () => {
    const { worker, mine, theirs, pool } = await counted({ poolSize: 1 })
    const held = await pool.connect()
    await worker.run(async ({ kept, failureOf }) => {
      const pool = kept<PoolClient>('pool')
      await failureOf(() => pool.connect({ signal: AbortSignal.timeout(5) }))
    })
    expect(await theirs()).toEqual([[ask], [leave]])
    await eventually(() => pool.status().waiting).toBe(0)
    await held.close()
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    expect(mine.flat()).not.toContain(grant)
  })
})

describe('a close that somebody wants to see', () => {
  it.each(['checkin', 'reset'] as const)('is a round trip: a %s listener has run when close() returns', async event => {
    const { worker, mine, theirs, pool } = await counted()
    const seen: string[] = []
    const listener = async (): Promise<void> => {
      await new Promise(setImmediate)
      seen.push(event)
    }
    pool.on(event, listener)
    const closed = await worker.run(async ({ kept }) => {
      await (await kept<PoolClient>('pool').connect()).close()
      return 'closed'
    })
    expect([...seen, closed]).toEqual([event, 'closed'])
    expect(await theirs()).toEqual([[end]])
    expect(mine).toEqual([[answer]])
    // And it is one-way again as soon as nobody looks.
    pool.off(event, listener)
    mine.length = 0
    await worker.run(({ kept }) => kept<PoolClient>('pool').use(() => {}))
    expect(mine).toEqual([])
  })

  it("gets the checkin listener's error, and the connection is home all the same (285, 295)", async () => {
    const { worker, pool } = await counted({ poolSize: 1 })
    pool.on('checkin', () => {
      throw new RangeError('not like this')
    })
    const seen = await worker.run(async ({ kept, failureOf }) => {
      const pool = kept<PoolClient>('pool')
      const toy = await pool.connect()
      const failure = await failureOf(() => toy.close())
      await toy.close()
      const again = (await pool.connect({ timeoutMs: 0 })) as RemoteToy
      const number: unknown = await again.whoami!()
      return { failure, number, valid: toy.isValid, second: await failureOf(() => again.close()) }
    })
    expect(seen).toMatchObject({
      failure: { class: 'RangeError', message: 'not like this' },
      number: 1,
      valid: false,
      second: { class: 'RangeError' },
    })
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })
})
