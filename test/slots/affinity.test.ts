import { describe, expect, it } from 'vitest'
import { slotOfLease } from '../../src/slots/state.ts'
import { fastTable, laneOf } from '../support/fast-table.ts'

describe('a claim among several idle slots', () => {
  it('takes first what its thread was the last to hold, until another has had it', () => {
    const table = fastTable(3)
    const [lane, other] = [laneOf(table, 1), laneOf(table, 2)]
    const take = (from: typeof lane): number => {
      const lease = from.claim()
      from.release(lease)
      return slotOfLease(lease)
    }
    // The oldest first; from then on the same again and again.
    expect([take(lane), take(lane), take(other), take(other), take(lane)]).toEqual([0, 0, 1, 1, 0])
    const leases = [other.claim(), other.claim(), other.claim()]
    expect(leases.map(slotOfLease)).toEqual([1, 2, 0])
    for (const lease of leases) other.release(lease)
    // Nothing is its own any more: the oldest return.
    expect(slotOfLease(lane.claim())).toBe(1)
  })

  it('leaves alone what another is about to want again, where its own thread has others; what it had last it takes', () => {
    const table = fastTable(2)
    const [lane, other] = [laneOf(table, 1), laneOf(table, 2)]
    const lease = other.claim()
    table.wantUntil(slotOfLease(lease), 1000)
    other.release(lease)
    expect([lane.mayClaim(999), slotOfLease(lane.claim(999))]).toEqual([true, 1])
    expect([lane.mayClaim(999), lane.claim(999)]).toEqual([false, 0])
    expect([other.mayClaim(999), lane.mayClaim(1000), lane.mayClaim(undefined)]).toEqual([true, true, true])
    expect(slotOfLease(lane.claim(1000))).toBe(0)
  })
})
