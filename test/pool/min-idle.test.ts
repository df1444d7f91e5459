import { describe, expect, it } from 'vitest'
import { fakeTime, pass } from '../support/fake-time.ts'
import { type GatedPool, gatedPool, take } from '../support/gated-pool.ts'
import { countsOf, settle, stateOf } from '../support/observe.ts'

fakeTime()

/** Lets a pool come to where it opens nothing more by itself. */
async function filled({ driver }: GatedPool): Promise<void> {
  for (let opened = -1; opened !== driver.opened; await pass(100)) opened = driver.opened
}

describe('with minIdle,', () => {
  it('so many are opened by themselves, one after another, and told to listeners that came in the same turn', async () => {
    const gated = gatedPool({ poolSize: 5, minIdle: 3 })
    const { pool, driver } = gated
    driver.listen(pool, 'firstConnect', 'connect', 'checkout', 'checkin')
    driver.next('open', 'slow', 'slow')
    await pass(0)
    expect(driver.take()).toEqual(['open 1'])
    await driver.release('open')
    await pass(0)
    expect(driver.take()).toEqual(['on firstConnect 1', 'on connect 1', 'open 2'])
    await driver.release('open')
    await filled(gated)
    expect(driver.take()).toEqual(['on connect 2', 'open 3', 'on connect 3'])
    expect(countsOf(pool)).toEqual([5, 3, -2, 0])
  })

  it('what is taken is filled up behind, to poolSize and no further', async () => {
    const gated = gatedPool({ poolSize: 5, maxOverflow: 5, minIdle: 3 })
    const { pool, driver } = gated
    await filled(gated)
    const fairies = await take(pool, 2)
    await filled(gated)
    expect(countsOf(pool)).toEqual([5, 3, 0, 2])
    fairies.push(...(await take(pool, 2)))
    await filled(gated)
    expect([countsOf(pool), driver.opened]).toEqual([[5, 1, 0, 4], 5])
    for (const fairy of fairies) await fairy.close()
    await filled(gated)
    expect([countsOf(pool), driver.opened]).toEqual([[5, 5, 0, 0], 5])
  })

  it('what goes is replaced: broken, emptied, detached, or too old', async () => {
    const gated = gatedPool({ poolSize: 2, minIdle: 2, maxLifetimeMs: 60_000 })
    const { pool, driver } = gated
    await filled(gated)
    await (await pool.connect()).invalidate()
    await filled(gated)
    expect([countsOf(pool), driver.open, driver.opened]).toEqual([[2, 2, 0, 0], 2, 3])
    const fairy = await pool.connect()
    await fairy.detach()
    await filled(gated)
    expect([countsOf(pool), driver.open, driver.opened]).toEqual([[2, 2, 0, 0], 3, 4])
    await fairy.close()
    await pass(120_000)
    expect([countsOf(pool), driver.open]).toEqual([[2, 2, 0, 0], 2])
    expect(driver.opened).toBeGreaterThanOrEqual(6)
  })

  it('who waits when one has been opened gets it', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, minIdle: 1 })
    driver.next('open', 'slow')
    await pass(0)
    const waiting = pool.connect()
    await driver.release('open')
    expect([(await waiting).number, driver.opened]).toEqual([1, 1])
  })

  it('a server that refuses is asked again, later and later, and told of once; callers are not kept from trying', async () => {
    const gated = gatedPool({ poolSize: 2, minIdle: 1 })
    const { pool, driver, logger } = gated
    driver.set('open', 'fails')
    await pass(60_000)
    expect(driver.opened).toBeGreaterThan(8)
    expect(driver.opened).toBeLessThan(25)
    expect(logger.lines).toEqual(['warn: fairypool.QueuePool: a connection that is to be ready can not be opened.'])
    await expect(pool.connect()).rejects.toThrow(/fails/)
    driver.set('open', 'ok')
    expect((await pool.connect()).isValid).toBe(true)
    await pass(10_000)
    expect(countsOf(pool)).toEqual([2, 1, 0, 1])
  })

  it('in an outage it keeps to the one attempt at a time that all callers have, and is filled up when that is over', async () => {
    const { pool, driver } = gatedPool(driver => ({
      dialect: driver.dialect({ isUnreachable: () => true }),
      poolSize: 3,
      minIdle: 2,
      retryConnect: true,
      timeoutMs: null,
    }))
    driver.set('open', 'fails')
    await pass(10)
    driver.set('open', 'slow')
    const waiting = pool.connect()
    await pass(20_000)
    // Whoever's it is, it is the only one.
    expect(driver.waitingAt('open')).toBe(1)
    driver.set('open', 'ok')
    await driver.release('open')
    await pass(20_000)
    expect((await waiting).isValid).toBe(true)
    expect(countsOf(pool)).toEqual([3, 2, 0, 1])
  })

  it('one that hangs is given up like any other, and its place is free', async () => {
    const gated = gatedPool({ poolSize: 1, maxOverflow: 0, minIdle: 1, connectTimeoutMs: 500 })
    const { pool, driver } = gated
    driver.next('open', 'never')
    await pass(0)
    const waiting = pool.connect()
    expect(await stateOf(waiting)).toBe('pending')
    await pass(500)
    expect((await waiting).number).toBe(2)
  })

  it('a pool that was disposed opens nothing before somebody wants a connection', async () => {
    const gated = gatedPool({ poolSize: 3, minIdle: 2 })
    const { pool, driver } = gated
    await filled(gated)
    await pool.dispose()
    await pass(60_000)
    expect([driver.open, driver.opened]).toEqual([0, 2])
    const fairy = await pool.connect()
    await filled(gated)
    expect([driver.open, countsOf(pool)]).toEqual([3, [3, 2, 0, 1]])
    await fairy.close()
  })

  it('one that is being opened during a dispose is closed, and no other is opened', async () => {
    const { pool, driver } = gatedPool({ poolSize: 3, minIdle: 2 })
    driver.next('open', 'slow')
    await pass(0)
    await pool.dispose()
    await driver.release('open')
    await pass(60_000)
    expect([driver.open, driver.opened, countsOf(pool)]).toEqual([0, 1, [3, 0, -3, 0]])
  })

  it('a pool without it opens nothing', async () => {
    const { driver } = gatedPool({ poolSize: 3, idleTimeoutMs: 1000 })
    await pass(60_000)
    await settle()
    expect(driver.opened).toBe(0)
  })
})
