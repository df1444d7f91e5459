import { describe, expect, it, onTestFinished } from 'vitest'
import { AssertionPool } from '../../src/pool/assertion-pool.ts'
import { NullPool } from '../../src/pool/null-pool.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import { QueuePool } from '../../src/pool/queue-pool.ts'
import { SingletonThreadPool } from '../../src/pool/singleton-thread-pool.ts'
import { StaticPool } from '../../src/pool/static-pool.ts'
import type { PoolEvent } from '../../src/worker/listeners.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { type GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { heardIn, listenIn } from '../support/heard.ts'
import { countsOf, watchWarnings } from '../support/observe.ts'
import { places, soon } from '../support/places.ts'
import { hold } from '../support/pool-user.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

interface Family {
  readonly driver: GatedDriver
  readonly worker: TestWorker
  /** The first, and those that have been recreated from it or each other. */
  readonly pools: QueuePool<GatedConnection>[]
}

/** A pool of a user's own class, and a worker that has it as `pool`. */
async function family(options: PoolOptions<GatedConnection> = {}): Promise<Family> {
  const driver = new GatedDriver()
  const pools: QueuePool<GatedConnection>[] = []
  class OwnPool extends QueuePool<GatedConnection> {
    constructor(options: PoolOptions<GatedConnection>) {
      super(options)
      pools.push(this)
    }
  }
  const pool = new OwnPool({ dialect: driver.dialect(), poolSize: 2, ...options })
  onTestFinished(async () => {
    for (const each of pools) await each[Symbol.asyncDispose]()
  })
  const worker = startWorker()
  await worker.run(async ({ attach, keep }, address) => void keep('pool', await attach(address)), pool.share())
  return { driver, worker, pools }
}

/** The worker recreates its `pool`, and keeps the new one as `other`. */
const recreate = (worker: TestWorker): Promise<void> =>
  worker.run(async ({ kept, keep }) => void keep('other', await kept<PoolClient>('pool').recreate()))

/** A checkout of the worker, kept as `fairy of …`; the number of its connection. */
const connect = (worker: TestWorker, pool: 'pool' | 'other'): Promise<number> =>
  worker.run(async ({ kept, keep }, pool) => {
    const fairy = keep(`fairy of ${pool}`, (await kept<PoolClient>(pool).connect()) as RemoteToy)
    return ((await fairy.query!('x')) as { number: number }).number
  }, pool)

const close = (worker: TestWorker, pool: 'pool' | 'other'): Promise<void> =>
  worker.run(({ kept }, pool) => kept<RemoteToy>(`fairy of ${pool}`).close(), pool)

describe('recreate(), asked for by a worker', () => {
  it('gives it a pool of the same class and options, on the coordinator; the old one is as it was (250)', async () => {
    const { worker, pools } = await family({
      timeoutMs: 1234,
      useLifo: true,
      resetOnReturn: 'commit',
      loggingName: 'x',
    })
    await connect(worker, 'pool')
    await recreate(worker)
    const [old, other] = pools as [QueuePool<GatedConnection>, QueuePool<GatedConnection>]
    expect(pools.length).toBe(2)
    expect(other.constructor).toBe(old.constructor)
    expect(other.settings).toEqual(old.settings)
    expect([countsOf(old), countsOf(other)]).toEqual([
      [2, 0, -1, 1],
      [2, 0, -2, 0],
    ])
    const seen = await worker.run(async ({ kept }) => {
      const [pool, other] = [kept<PoolClient>('pool'), kept<PoolClient>('other')]
      return {
        same: pool === other,
        names: pool.name === other.name,
        attached: [pool.isAttached, other.isAttached],
        checkedout: [(await pool.status()).checkedout, (await other.status()).checkedout],
      }
    })
    expect(seen).toEqual({ same: false, names: false, attached: [true, true], checkedout: [1, 0] })
  })

  it('can be asked for again and again, of any of them', async () => {
    const { worker, pools } = await family()
    await recreate(worker)
    await worker.run(async ({ kept, keep }) => void keep('third', await kept<PoolClient>('other').recreate()))
    expect(await worker.run(async ({ kept }) => (await kept<PoolClient>('third').status()).poolSize)).toBe(2)
    expect(pools.length).toBe(3)
  })

  it("takes along the coordinator's listeners of now, and none of later; firstConnect is told anew (250, 251, 253)", async () => {
    const { driver, worker, pools } = await family({ events: [[() => driver.note('option'), 'connect']] })
    pools[0]!.on('connect', () => driver.note('before'))
    pools[0]!.on('firstConnect', () => driver.note('first'))
    await connect(worker, 'pool')
    await recreate(worker)
    pools[0]!.on('connect', () => driver.note('after'))
    driver.take()
    await connect(worker, 'other')
    expect(driver.take().filter(line => !/^\w+ \d$/.test(line))).toEqual(['first', 'option', 'before'])
  })

  it('gives back the old loans to the old pool, and the new to the new (252)', async () => {
    const { driver, worker, pools } = await family()
    expect(await connect(worker, 'pool')).toBe(1)
    await recreate(worker)
    expect(await connect(worker, 'other')).toBe(2)
    await close(worker, 'pool')
    await soon(pools[0]!).toEqual([2, 1, -1, 0])
    expect(countsOf(pools[1]!)).toEqual([2, 0, -1, 1])
    await worker.run(({ kept }) => kept<PoolClient>('pool').dispose())
    expect(driver.connections.map(({ state }) => state)).toEqual(['closed', 'open'])
    await close(worker, 'other')
    await soon(pools[1]!).toEqual([2, 1, -1, 0])
  })

  it('takes along neither clock nor counts: what condemns the old leaves the new alone (145, 250)', async () => {
    const { worker, pools } = await family()
    await recreate(worker)
    await connect(worker, 'other')
    await close(worker, 'other')
    await soon(pools[1]!).toEqual([2, 1, -1, 0])
    await worker.run(({ kept }) => kept<PoolClient>('pool').invalidate())
    expect(await connect(worker, 'other')).toBe(1)
  })

  it("takes along that worker's own listeners of now, once for each pool; what it hears says whose it is (250, 251)", async () => {
    const { worker, pools } = await family()
    await worker.run(async ({ kept, keep }) => {
      const heard = keep<string[]>('heard', [])
      const pool = kept<PoolClient>('pool')
      await pool.on('checkout', ({ connection }: PoolEvent) => heard.push(`checkout ${connection}`))
      await pool.once('checkout', ({ connection }: PoolEvent) => heard.push(`once ${connection}`))
    })
    await recreate(worker)
    await worker.run(({ kept }) => kept<PoolClient>('pool').on('connect', () => kept<string[]>('heard').push('later')))
    for (let i = 0; i < 2; i++) await (await pools[1]!.connect()).close()
    await eventually(() => heardIn(worker)).toEqual(['checkout 1', 'once 1', 'checkout 1'])
    await pools[0]!.connect()
    await eventually(() => heardIn(worker)).toEqual([
      'checkout 1',
      'once 1',
      'checkout 1',
      ...['later', 'checkout 1', 'once 1'],
    ])
  })
})

describe('recreate(), on the coordinator', () => {
  it('leaves the listeners of attached threads with the pool to which they have attached (251)', async () => {
    const { worker, pools } = await family()
    await listenIn(worker, 'connect', 'checkout')
    const other = pools[0]!.recreate()
    expect([other.events.has('connect'), other.events.has('checkout')]).toEqual([false, false])
    await other.connect()
    await pools[0]!.connect()
    await eventually(() => heardIn(worker)).toEqual(['connect 1 0', 'checkout 1 0'])
  })

  it('copies the listeners: one that is taken from either pool stays with the other (251)', async () => {
    const { driver, pools } = await family()
    const both = (): void => driver.note('both')
    pools[0]!.on('connect', both).on('checkout', both)
    const other = pools[0]!.recreate()
    pools[0]!.off('connect', both)
    other.off('checkout', both)
    await pools[0]!.connect()
    await other.connect()
    expect(driver.take()).toEqual(['open 1', 'both', 'open 2', 'both'])
  })

  it('hands on legacy listeners without a second warning (250, 270)', async () => {
    const codes = watchWarnings()
    const { driver, pools } = await family({ listeners: [{ connect: () => void driver.note('legacy') }] })
    expect(codes).toEqual(['FAIRYPOOL_DEPRECATED'])
    await pools[0]!.recreate().connect()
    expect([driver.take(), codes.length]).toEqual([['open 1', 'legacy'], 1])
  })
})

describe.each(places)('dispose(), $where', place => {
  it('closes the idle; those out are closed when they come home, not kept; the counts are true throughout (246, 247)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2, maxOverflow: 0 })
    const [a, b] = await hold(user, 2)
    await b!.close()
    await soon(pool).toEqual([2, 1, 0, 1])
    await user.do(pool => pool.dispose())
    expect(driver.connections.map(({ state }) => state)).toEqual(['open', 'closed'])
    expect(countsOf(pool)).toEqual([2, 0, -1, 1])
    expect(await a!.isValid()).toBe(true)
    await a!.close()
    await soon(pool).toEqual([2, 0, -2, 0])
    expect([driver.open, (await user.connect()).number]).toEqual([0, 3])
  })
})

describe('dispose() of the other classes', () => {
  const options = (driver: GatedDriver) => ({ dialect: driver.dialect() })

  it('does nothing to a NullPool, which keeps nothing (254)', async () => {
    const driver = new GatedDriver()
    const pool = new NullPool<GatedConnection>(options(driver))
    const fairy = await pool.connect()
    await pool.dispose()
    expect([fairy.isValid, driver.take()]).toEqual([true, ['open 1']])
    await fairy.close()
    expect(driver.take()).toEqual(['rollback 1', 'close 1'])
  })

  it.each([
    ['StaticPool', StaticPool],
    ['SingletonThreadPool', SingletonThreadPool],
    ['AssertionPool', AssertionPool],
  ])('closes the connection that a %s keeps, and the next checkout opens anew (254)', async (_name, Class) => {
    const driver = new GatedDriver()
    const pool = new Class<GatedConnection>(options(driver))
    await (await pool.connect()).close()
    driver.take()
    await pool.dispose()
    await pool.dispose()
    expect(driver.take()).toEqual(['close 1'])
    expect((await pool.connect()).number).toBe(2)
  })
})
