import { beforeAll, describe, expect, it, vi } from 'vitest'
import { deadlines } from '../../src/base/deadlines.ts'
import { ignore } from '../../src/base/maybe-async.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'

fakeTime()

/** After so long without a checkout what looks after fairies has no timer any more. */
const fairiesRestMs = 150

describe('the timer of what a pool does by itself', () => {
  // The thread's deadlines have a timer as well: one from here on, whatever else is armed.
  beforeAll(() => void deadlines.arm(2 ** 30, ignore))

  /** Timers that the pool has made. */
  async function timersOf(options: PoolOptions<GatedConnection>): Promise<() => number> {
    const before = vi.getTimerCount()
    const { pool } = gatedPool({ poolSize: 3, ...options })
    for (const fairy of [await pool.connect(), await pool.connect()]) await fairy.close()
    await pass(fairiesRestMs)
    return () => vi.getTimerCount() - before
  }

  it('is none when every option is off, whatever the pool does', async () => {
    const timers = await timersOf({ maxWaiters: 5 })
    expect(timers()).toBe(0)
  })

  it('is one for all options', async () => {
    const timers = await timersOf({ minIdle: 2, idleTimeoutMs: 1000, keepaliveMs: 200, maxLifetimeMs: 5000 })
    for (let i = 0; i < 100; i++) {
      expect(timers()).toBe(1)
      await pass(77)
    }
  })

  it('is none while there is nothing to look after', async () => {
    const { driver, pool } = gatedPool({ idleTimeoutMs: 1000 })
    const before = vi.getTimerCount()
    await (await pool.connect()).close()
    await pass(fairiesRestMs)
    expect(vi.getTimerCount() - before).toBe(1)
    await pass(1300)
    expect([driver.open, vi.getTimerCount() - before]).toEqual([0, 0])
    await pool.connect()
    await pass(fairiesRestMs)
    expect(vi.getTimerCount() - before).toBe(1)
    await pool.dispose()
    expect(vi.getTimerCount() - before).toBe(0)
  })
})
