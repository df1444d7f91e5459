import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { monotonicMs, turnMs } from '../../src/base/clock.ts'

describe("a turn's time", () => {
  it('is read once for all that is done in one stretch, and anew in the next', async () => {
    const read = vi.spyOn(process, 'hrtime')
    try {
      const first = turnMs()
      for (const until = performance.now() + 2; performance.now() < until; );
      expect([turnMs(), read.mock.calls.length]).toEqual([first, 1])
      await turn()
      expect(turnMs()).toBeGreaterThan(first)
      expect(read.mock.calls.length).toBe(2)
    } finally {
      read.mockRestore()
    }
  })

  it('is that of the clock which all threads share', () => {
    const before = monotonicMs()
    const now = turnMs()
    expect(now).toBeGreaterThanOrEqual(before - 1000)
    expect(now).toBeLessThanOrEqual(monotonicMs())
  })
})
