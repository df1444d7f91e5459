import { describe, expect, it } from 'vitest'
import { kind } from '../../src/protocol/messages.ts'
import { tableFlag } from '../../src/slots/layout.ts'
import { Listeners } from '../../src/worker/listeners.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { fastPool } from '../support/fast-toy.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { attached, heardIn, listenIn } from '../support/heard.ts'
import { countsOf, settle, stateOf } from '../support/observe.ts'
import { countPosts } from '../support/post-counter.ts'
import type { RemoteToy } from '../support/remote-toy.ts'

describe("a worker's listener", () => {
  it('comes and goes at any time, and while nobody listens no message is sent (263, 264)', async () => {
    const { pool } = gatedPool()
    const worker = await attached(pool)
    const posts = countPosts()
    const notices = (): number =>
      posts
        .splice(0)
        .flat()
        .filter(each => each === kind.notice).length
    const round = async (): Promise<void> => {
      await (await pool.connect()).close()
      await worker.run(async ({ kept }) => (await kept<PoolClient>('pool').connect()).close())
      await eventually(() => pool.status().checkedout).toBe(0)
      await settle()
    }
    await round()
    expect(notices()).toBe(0)
    await listenIn(worker, 'checkout', 'checkin')
    await round()
    expect(notices()).toBe(4)
    await worker.run(async ({ kept }) => {
      for (const event of ['checkout', 'checkin'] as const) await kept<PoolClient>('pool').off(event, kept('listener'))
    })
    await round()
    expect([notices(), (await heardIn(worker)).length]).toEqual([0, 4])
  })

  it('that is there twice is told once, one for once only once, and one that was to be may leave before (262)', async () => {
    const { pool } = gatedPool()
    const worker = await attached(pool)
    await worker.run(async ({ kept, keep }) => {
      const pool = kept<PoolClient>('pool')
      const heard = keep<string[]>('heard', [])
      const twice = (): void => void heard.push('twice')
      const left = (): void => void heard.push('left')
      await pool.on('checkin', twice)
      await pool.on('checkin', twice)
      await pool.once('checkin', () => heard.push('once'))
      await pool.once('checkin', left)
      await pool.off('checkin', left)
      await pool.off('checkin', left)
      await pool.once('checkout', () => heard.push('checkout'))
      await pool.on('closeDetached', () => heard.push('end'))
    })
    for (let i = 0; i < 2; i++) await (await pool.connect()).close()
    const last = await pool.connect()
    await last.detach()
    await last.close()
    await eventually(() => heardIn(worker)).toEqual(['checkout', 'twice', 'once', 'twice', 'end'])
    expect([pool.events.has('checkout'), pool.events.has('checkin')]).toEqual([false, true])
  })

  it('observes only: one that fails stops neither the checkout nor the next listener, and is warned of (264)', async () => {
    const { pool } = gatedPool()
    const worker = await attached(pool)
    await worker.run(async ({ kept, keep }) => {
      const pool = kept<PoolClient>('pool')
      const heard = keep<string[]>('heard', [])
      await pool.on('checkout', () => {
        throw new Error('no')
      })
      await pool.on('checkout', () => Promise.reject(new Error('not at all')))
      await pool.on('checkout', () => {
        throw Object.create(null)
      })
      await pool.on('checkout', () => heard.push('last'))
    })
    expect((await pool.connect()).isValid).toBe(true)
    await eventually(() => heardIn(worker)).toEqual(['last'])
    await eventually(() => worker.run(({ warnings }) => warnings.map(({ code, message }) => [code, message]))).toEqual([
      ['FAIRYPOOL_LISTENER', "A listener of a pool's events has failed: no"],
      ['FAIRYPOOL_LISTENER', "A listener of a pool's events has failed: [object Object]"],
      ['FAIRYPOOL_LISTENER', "A listener of a pool's events has failed: not at all"],
    ])
  })

  it('is not waited for: a checkout ends while it still runs (264)', async () => {
    const { pool } = gatedPool()
    const worker = await attached(pool)
    await worker.run(({ kept }) => kept<PoolClient>('pool').on('checkout', () => new Promise(() => {})))
    await (await pool.connect()).close()
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })

  it('is refused for an event that does not exist, each time, and when it is none (262)', async () => {
    const { pool } = gatedPool()
    const worker = await attached(pool)
    const failures = await worker.run(async ({ kept, failureOf }) => {
      const pool = kept<{ on(event: string, listener: unknown): Promise<void> }>('pool')
      const bad: [string, unknown][] = [
        ['conect', () => {}],
        ['conect', () => {}],
        ['toString', () => {}],
        ['connect', 'no function'],
      ]
      return Promise.all(bad.map(([event, listener]) => failureOf(() => pool.on(event, listener))))
    })
    expect(failures.map(failure => [failure.class, failure.message.split('.')[0]])).toEqual([
      ['InvalidRequestError', "A pool has no event 'conect'"],
      ['InvalidRequestError', "A pool has no event 'conect'"],
      ['InvalidRequestError', "A pool has no event 'toString'"],
      ['ArgumentError', "The listener for 'connect' must be a function"],
    ])
  })

  it('is forgotten when its worker ends, and what it held up is fast again (264)', async () => {
    const { pool } = fastPool()
    const worker = await attached(pool)
    const isFast = (): boolean[] => [tableFlag.fastCheckout, tableFlag.fastCheckin].map(flag => pool.slots.has(flag))
    await listenIn(worker, 'checkout', 'checkin', 'connect')
    expect([isFast(), pool.events.has('connect')]).toEqual([[false, false], true])
    await worker.terminate()
    await eventually(isFast).toEqual([true, true])
    expect(pool.events.has('connect')).toBe(false)
    expect((await pool.connect()).isValid).toBe(true)
  })

  it('is forgotten when the pool is shared no more (264)', async () => {
    const { pool } = gatedPool()
    const worker = await attached(pool)
    await listenIn(worker, 'connect')
    pool.unshare()
    expect(pool.events.has('connect')).toBe(false)
    await pool.connect()
    const failure = await worker.run(({ kept, failureOf }) =>
      failureOf(() => kept<PoolClient>('pool').on('checkout', () => {})),
    )
    expect(failure.class).toBe('CoordinatorLostError')
    expect(await heardIn(worker)).toEqual([])
  })

  it('hears of its own checkouts as of those of others (264)', async () => {
    const { pool } = fastPool()
    const worker = await attached(pool)
    await listenIn(worker, 'checkout')
    await worker.run(async ({ kept }) => {
      for (let i = 0; i < 3; i++) await ((await kept<PoolClient>('pool').connect()) as RemoteToy).close()
    })
    await eventually(() => heardIn(worker)).toEqual(Array(3).fill('checkout 1 0'))
  })

  it('is registered when on() settles, also for the second who comes while the first is (264)', async () => {
    let settleFirst = (): void => {}
    const asked: string[] = []
    const listeners = new Listeners((verb, event) => {
      asked.push(`${verb} ${event}`)
      return new Promise(resolve => {
        settleFirst = resolve
      })
    })
    const both = [listeners.on('connect', () => {}), listeners.on('connect', () => {})]
    expect([await stateOf(both[0]!), await stateOf(both[1]!), asked]).toEqual([
      'pending',
      'pending',
      ['listen connect'],
    ])
    settleFirst()
    await Promise.all(both)
  })
})
