import { describe, expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { type FastPool, fastPool } from '../support/fast-toy.ts'
import { heldBy } from '../support/held-by.ts'
import { LeaseWatch } from '../support/lease-watch.ts'
import { stateOf } from '../support/observe.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

/** A worker with a lease that it has made by itself: the coordinator has never heard of it. */
async function unmet({ pool }: FastPool): Promise<TestWorker> {
  await (await pool.connect()).close()
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => {
    const pool = keep('pool', await attach())
    keep('toy', await pool.connect())
  })
  expect(pool.records.at(0)!.isUnmet).toBe(true)
  expect(pool.status()).toMatchObject({ checkedin: 0, checkedout: 1 })
  expect(heldBy(pool)).toEqual({ [worker.threadId]: 1 })
  return worker
}

const look = (worker: TestWorker) =>
  worker.run(async ({ kept, failureOf }) => {
    const toy = kept<RemoteToy>('toy')
    const { isValid } = toy
    const answer = isValid ? ((await toy.whoami!()) as unknown) : (await failureOf(() => toy.whoami!())).class
    await toy.close()
    const next = (await kept<PoolClient>('pool').connect({ timeoutMs: 10_000 })) as RemoteToy
    const number = (await next.whoami!()) as unknown
    await next.close()
    return { isValid, answer, next: number }
  })

describe('a lease of which the coordinator has not heard', () => {
  it('is counted at once, and as home again at once', async () => {
    const fast = fastPool()
    const worker = await unmet(fast)
    await worker.run(({ kept }) => kept<RemoteToy>('toy').close())
    expect(fast.pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    expect(heldBy(fast.pool)).toEqual({})
  })

  it("is ended by its record's invalidate(): its fairy is dead, the next checkout has another connection (113, 114)", async () => {
    const fast = fastPool()
    const worker = await unmet(fast)
    const told: unknown[] = []
    fast.pool.on('invalidate', (_connection, _record, error) => void told.push(error))
    await fast.pool.records.at(0)!.invalidate('it smells')
    expect(told).toEqual(['it smells'])
    expect(fast.made[0]!.state).toBe('closed')
    expect(await look(worker)).toEqual({ isValid: false, answer: 'InvalidRequestError', next: 2 })
    expect(fast.pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it("goes on after its record's soft invalidate(), and its connection is replaced after it (115, 116)", async () => {
    const fast = fastPool()
    const worker = await unmet(fast)
    await fast.pool.records.at(0)!.invalidate(undefined, { soft: true })
    expect(fast.made[0]!.state).toBe('open')
    expect(await look(worker)).toEqual({ isValid: true, answer: 1, next: 2 })
    expect(fast.made[0]!.state).toBe('closed')
    expect(fast.pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('that has been met by a soft invalidate() only dies with its thread', async () => {
    const fast = fastPool()
    const worker = await unmet(fast)
    const watch = new LeaseWatch(fast.pool)
    await fast.pool.records.at(0)!.invalidate(undefined, { soft: true })
    await worker.terminate()
    const next = await fast.pool.connect({ timeoutMs: 10_000 })
    expect(next.number).toBe(2)
    expect(fast.made[0]!.state).toBe('closed')
    expect(watch.reasons).toEqual(['died'])
    await next.close()
  })

  it("is the pool's invalidate() to condemn: it goes on, and its connection is replaced after it (146, 149)", async () => {
    const fast = fastPool()
    const worker = await unmet(fast)
    await fast.pool.invalidate()
    expect(await look(worker)).toEqual({ isValid: true, answer: 1, next: 2 })
  })

  it('outlives the loss of its connection, which is replaced when it comes home', async () => {
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    const fast = fastPool({ logger })
    const worker = await unmet(fast)
    fast.made[0]!.lose()
    expect(await look(worker)).toEqual({ isValid: true, answer: 1, next: 2 })
    expect(fast.made[0]!.state).toBe('closed')
  })

  it('is over when its connection is: an error that says so ends it for the worker too (147)', async () => {
    const fast = fastPool({}, { isDisconnect: error => (error as { code?: unknown }).code === 'TOY42' })
    const worker = await unmet(fast)
    const seen = await worker.run(async ({ kept, failureOf }) => {
      const toy = kept<RemoteToy>('toy')
      const failure = await failureOf(() => toy.fail!())
      return { failure: failure.name, isValid: toy.isValid }
    })
    expect(seen).toEqual({ failure: 'ToyError', isValid: false })
    expect(await look(worker)).toMatchObject({ isValid: false, next: 2 })
  })

  it('has the info of its record, and a finalize callback runs when it ends (241)', async () => {
    const fast = fastPool()
    const worker = await unmet(fast)
    const record = fast.pool.records.at(0)!
    record.info.set('by', 'the coordinator')
    const finalized: number[] = []
    record.finalizeCallback(connection => finalized.push(connection.number))
    const seen = await worker.run(async ({ kept }) => {
      const toy = kept<RemoteToy>('toy')
      const by = await toy.info!.get('by')
      await toy.close()
      return by
    })
    expect(seen).toBe('the coordinator')
    await eventually(() => finalized).toEqual([1])
    await look(worker)
    expect(finalized).toEqual([1])
  })

  it('can be detached: its place is free at once (222)', async () => {
    const fast = fastPool()
    const worker = await unmet(fast)
    await worker.run(({ kept }) => kept<RemoteToy>('toy').detach())
    const own = await fast.pool.connect()
    expect(own.number).toBe(2)
    await own.close()
    expect(await worker.run(({ kept }) => kept<RemoteToy>('toy').whoami!() as Promise<unknown>)).toBe(1)
    await worker.run(({ kept }) => kept<RemoteToy>('toy').close())
    await eventually(() => fast.made[0]!.state).toBe('closed')
  })

  it('can be invalidated by its holder, also without waiting for that before it closes', async () => {
    const fast = fastPool()
    const worker = await unmet(fast)
    const failure = await worker.run(async ({ kept, keep }) => {
      const toy = kept<RemoteToy>('toy')
      const invalidated = toy.invalidate(new RangeError('it smells'))
      await toy.close()
      keep('toy', toy)
      return invalidated.then(() => undefined, String)
    })
    expect(failure).toBeUndefined()
    expect(await look(worker)).toMatchObject({ isValid: false, next: 2 })
    expect(fast.made[0]!.state).toBe('closed')
  })

  it('keeps others waiting as any other, until it ends', async () => {
    const fast = fastPool()
    const worker = await unmet(fast)
    const next = fast.pool.connect()
    expect(await stateOf(next)).toBe('pending')
    await worker.run(({ kept }) => kept<RemoteToy>('toy').close())
    expect((await next).number).toBe(1)
    await (await next).close()
  })

  it.each(['terminated', 'exits', 'throws'] as const)(
    'ends when its thread %s: the connection is closed, a waiter has a new one',
    async death => {
      const fast = fastPool()
      const worker = await unmet(fast)
      const watch = new LeaseWatch(fast.pool)
      const next = fast.pool.connect()
      expect(await stateOf(next)).toBe('pending')
      if (death === 'terminated') await worker.terminate()
      worker.runToDeath((_context, death) => {
        if (death === 'exits') process.exit(0)
        setImmediate(() => {
          throw new Error('on purpose')
        })
      }, death)
      expect((await next).number).toBe(2)
      expect(fast.made[0]!.state).toBe('closed')
      await (await next).close()
      expect(watch.reasons).toEqual(['died', 'closed'])
      expect(fast.pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
    },
  )
})
