import { describe, expect, it } from 'vitest'
import { FastLane } from '../../src/slots/fast-lane.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { gatedPool, take } from '../support/gated-pool.ts'
import { countsOf, settle } from '../support/observe.ts'

fakeTime()

const idleTimeoutMs = 1000

describe('with idleTimeoutMs,', () => {
  it('what has been idle for so long is closed, politely, at most a tenth later; the place is free', async () => {
    const { pool, driver } = gatedPool({ poolSize: 3, idleTimeoutMs })
    driver.listen(pool, 'close', 'invalidate', 'checkin')
    for (const fairy of await take(pool, 3)) await fairy.close()
    driver.take()
    await pass(idleTimeoutMs - 1)
    expect(driver.take()).toEqual([])
    await pass(idleTimeoutMs / 10 + 1)
    expect(driver.take().sort()).toEqual(['close 1', 'close 2', 'close 3', 'on close 1', 'on close 2', 'on close 3'])
    expect(countsOf(pool)).toEqual([3, 0, -3, 0])
    expect((await pool.connect()).number).toBe(4)
  })

  it('a loan begins the time anew, also one that a thread has made by itself', async () => {
    const { pool, driver } = gatedPool(driver => ({
      dialect: driver.dialect({ inTransaction: () => false }),
      poolSize: 1,
      idleTimeoutMs,
    }))
    pool.slots.sessions.open(1, 101)
    const lane = new FastLane(pool.slots, 1, { useLifo: false, recycleMs: -1 })
    await (await pool.connect()).close()
    for (let i = 0; i < 10; i++) {
      await pass(0.7 * idleTimeoutMs)
      expect(lane.release(lane.claim())).toBe('home')
    }
    await pass(0.7 * idleTimeoutMs)
    await (await pool.connect()).close()
    await pass(0.9 * idleTimeoutMs)
    expect(driver.open).toBe(1)
    await pass(0.2 * idleTimeoutMs)
    expect(driver.open).toBe(0)
  })

  it('what is out is never touched, however long', async () => {
    const { pool } = gatedPool({ poolSize: 1, idleTimeoutMs })
    const held = await pool.connect()
    await pass(20 * idleTimeoutMs)
    expect((await held.query('x')).number).toBe(1)
    await held.close()
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('minIdle stay, those that came home last', async () => {
    const { pool, driver } = gatedPool({ poolSize: 4, idleTimeoutMs, minIdle: 2 })
    await pass(0)
    await pass(0)
    const fairies = await take(pool, 4)
    for (const fairy of fairies) {
      await fairy.close()
      await pass(200)
    }
    await pass(5 * idleTimeoutMs)
    expect(driver.connections.filter(({ state }) => state === 'open').map(({ number }) => number)).toEqual([3, 4])
    expect(countsOf(pool)).toEqual([4, 2, -2, 0])
  })

  it('what is condemned is closed where it lies, and not kept for the next who wants one', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2, idleTimeoutMs })
    const [a, b] = await take(pool, 2)
    await a!.invalidate(new Error('soon'), { soft: true })
    for (const fairy of [a!, b!]) await fairy.close()
    await pass(idleTimeoutMs / 10)
    expect([driver.open, countsOf(pool)]).toEqual([1, [2, 1, -1, 0]])
    await pool.invalidate()
    await pass(idleTimeoutMs / 10)
    expect([driver.open, countsOf(pool)]).toEqual([0, [2, 0, -2, 0]])
  })

  it('nobody gets a connection that is being closed: who comes meanwhile opens another', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2, maxOverflow: 0, idleTimeoutMs })
    await (await pool.connect()).close()
    driver.next('close', 'slow')
    await pass(1.1 * idleTimeoutMs)
    expect((await pool.connect()).number).toBe(2)
    const waiting = pool.connect()
    await settle()
    expect(driver.opened).toBe(2)
    await driver.release('close')
    expect((await waiting).number).toBe(3)
  })

  it.each(['fails', 'never'] as const)(
    'fault 12: a close that %s is bounded, and its place is free either way',
    async how => {
      const { pool, driver, logger } = gatedPool({ poolSize: 1, maxOverflow: 0, idleTimeoutMs, closeTimeoutMs: 300 })
      await (await pool.connect()).close()
      driver.next('close', how)
      await pass(1.1 * idleTimeoutMs)
      const waiting = pool.connect()
      await pass(300)
      expect((await waiting).number).toBe(2)
      expect(logger.lines).toEqual(['error: fairypool.QueuePool: closing a connection failed.'])
    },
  )
})
