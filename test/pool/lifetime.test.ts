import { describe, expect, it } from 'vitest'
import { monotonicMs } from '../../src/base/clock.ts'
import { lifetimeOf } from '../../src/pool/lifetime.ts'
import { FastLane } from '../../src/slots/fast-lane.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { type GatedPool, gatedPool, numbersOf, take } from '../support/gated-pool.ts'
import { countsOf } from '../support/observe.ts'

fakeTime()

const maxLifetimeMs = 10_000

/** When each connection is closed, from now on. */
function closesOf({ pool }: GatedPool): number[] {
  const from = monotonicMs()
  const closes: number[] = []
  pool.on('close', () => void closes.push(monotonicMs() - from))
  return closes
}

describe("a connection's lifetime", () => {
  it('is up to a tenth shorter than the longest, and always the same', () => {
    for (const generation of [1, 2, 3, 1000, 2 ** 31 - 1, -5]) {
      const lifetime = lifetimeOf(generation, maxLifetimeMs)
      expect(lifetime).toBeGreaterThan(0.9 * maxLifetimeMs)
      expect(lifetime).toBeLessThanOrEqual(maxLifetimeMs)
      expect(lifetimeOf(generation, maxLifetimeMs)).toBe(lifetime)
    }
  })

  it.each([2, 5, 20, 100, 511])(
    'is evenly spread over that tenth: of %i in a row no two are near each other',
    count => {
      for (const first of [1, 77, 2 ** 31 - 50]) {
        const lives = Array.from({ length: count }, (_, i) => lifetimeOf((first + i) | 0, 1)).sort((a, b) => a - b)
        const gaps = lives.slice(1).map((life, i) => life - lives[i]!)
        expect(Math.min(...gaps)).toBeGreaterThan((0.38 * 0.1) / count)
      }
    },
  )
})

describe('with maxLifetimeMs,', () => {
  it('fault 16: connections that were opened together are closed one after another, and none is older', async () => {
    const gated = gatedPool({ poolSize: 20, maxOverflow: 0, maxLifetimeMs })
    const closes = closesOf(gated)
    for (const fairy of await take(gated.pool, 20)) await fairy.close()
    for (let ms = 0; ms < maxLifetimeMs; ms++) await pass(1)
    expect([closes.length, gated.driver.open]).toEqual([20, 0])
    expect(Math.min(...closes)).toBeGreaterThan(0.9 * maxLifetimeMs)
    expect(Math.max(...closes)).toBeLessThanOrEqual(maxLifetimeMs)
    const gaps = closes.slice(1).map((close, i) => close - closes[i]!)
    // By chance alone, two of twenty would be within 3 ms of each other.
    expect(Math.min(...gaps)).toBeGreaterThan(15)
  })

  it('what is out past its time stays out, and is closed when it comes home', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, maxLifetimeMs })
    const held = await pool.connect()
    await pass(3 * maxLifetimeMs)
    expect([held.isValid, (await held.query('x')).number]).toEqual([true, 1])
    const waiting = pool.connect()
    await held.close()
    expect([(await waiting).number, driver.open]).toEqual([2, 1])
  })

  it('a thread that lends to itself neither hands on nor puts back what is past its time', async () => {
    const gated = gatedPool(driver => ({
      dialect: driver.dialect({ inTransaction: () => false }),
      poolSize: 1,
      maxLifetimeMs,
    }))
    const { slots } = gated.pool
    slots.sessions.open(1, 101)
    await (await gated.pool.connect()).close()
    const lane = new FastLane(slots, 1, { useLifo: false, recycleMs: -1 })
    const lease = lane.handOn(lane.claim())
    expect(lease).not.toBe(0)
    await pass(maxLifetimeMs)
    expect([lane.handOn(lease), lane.release(lease)]).toEqual([0, 'slow'])
  })

  it('a place that is reopened begins a new lifetime', async () => {
    const gated = gatedPool({ poolSize: 1, maxLifetimeMs })
    const held = await gated.pool.connect()
    await pass(0.8 * maxLifetimeMs)
    await held.invalidate()
    await (await gated.pool.connect()).close()
    const closes = closesOf(gated)
    await pass(0.85 * maxLifetimeMs)
    expect(closes).toEqual([])
    await pass(0.15 * maxLifetimeMs)
    expect(closes).toHaveLength(1)
  })

  it('a busy pool goes on: each is replaced as it comes home, and the count stays', async () => {
    const { pool, driver } = gatedPool({ poolSize: 3, maxOverflow: 0, maxLifetimeMs })
    const seen = new Set<number>()
    for (let ms = 0; ms < 3 * maxLifetimeMs; ms += 50) {
      const fairies = await take(pool, 3)
      for (const number of numbersOf(fairies)) seen.add(number)
      await pass(50)
      for (const fairy of fairies) await fairy.close()
    }
    expect([seen.size, driver.open, countsOf(pool)]).toEqual([12, 3, [3, 3, 0, 0]])
  })
})
