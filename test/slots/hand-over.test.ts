import { describe, expect, it } from 'vitest'
import { monotonicMs } from '../../src/base/clock.ts'
import { slotFlag, tableFlag } from '../../src/slots/layout.ts'
import type { SlotTable } from '../../src/slots/slot-table.ts'
import { leaseId, sessionOf, wordOfLease } from '../../src/slots/state.ts'
import { fastTable, laneOf, waits } from '../support/fast-table.ts'

describe('a hand-over within the thread', () => {
  it('ends one lease and begins another, with nothing between', () => {
    const table = fastTable(1)
    const lane = laneOf(table, 1)
    const lease = lane.claim()
    const next = lane.handOn(lease)
    expect(next).not.toBe(lease)
    expect(wordOfLease(next)).toBe(table.word(0))
    expect([lane.handOn(lease), lane.release(lease), lane.accept(lease)]).toEqual([0, 'ended', 0])
    expect(lane.release(next)).toBe('home')
  })

  it.each([
    ['the slot is slow', (t: SlotTable) => t.mark(0, slotFlag.slow)],
    ['the slot is stale', (t: SlotTable) => t.mark(0, slotFlag.stale)],
    ['the connection is lost', (t: SlotTable) => t.mark(0, slotFlag.lost)],
    ['the record is retiring', (t: SlotTable) => t.mark(0, slotFlag.retiring)],
    ['the pool has invalidated it', (t: SlotTable) => t.invalidateAll()],
    ['it is too old', (t: SlotTable) => t.stampOpening(0, monotonicMs() - 20_000)],
    ['checkouts are seen', (t: SlotTable) => t.set(tableFlag.fastCheckout, false)],
    ['returns are seen', (t: SlotTable) => t.set(tableFlag.fastCheckin, false)],
    ['leases are watched', (t: SlotTable) => t.set(tableFlag.watched, true)],
  ])('is not where %s: nothing is done', (_why, change) => {
    const table = fastTable(1)
    const lane = laneOf(table, 1, { recycleMs: 10_000 })
    table.stampOpening(0, monotonicMs())
    const lease = lane.claim()
    change(table)
    expect([lane.handOn(lease), table.word(0)]).toEqual([0, wordOfLease(lease)])
  })

  it('goes on sixteen times while another waits that holds nothing, then leaves, and may again after that', () => {
    const table = fastTable(1)
    const [lane] = [laneOf(table, 1), laneOf(table, 2)]
    waits(table, 1)
    waits(table, 2)
    for (let time = 0; time < 2; time++) {
      let lease = lane.claim() || lane.accept(leaseId(0, table.step(0, table.word(0), 'leased', 1)))
      let count = 0
      for (let next = lane.handOn(lease); next !== 0; next = lane.handOn(lease)) {
        lease = next
        count++
      }
      expect(count).toBe(16)
      expect([lane.release(lease), table.sessions.bells.unheard(2)]).toEqual(['home', 1])
    }
  })

  it('is not at all while one waits that holds two fewer', () => {
    const table = fastTable(2)
    const [lane] = [laneOf(table, 1), laneOf(table, 2)]
    const leases = [lane.claim(), lane.claim()]
    waits(table, 2)
    expect(leases.map(lease => lane.handOn(lease))).toEqual([0, 0])
  })
})

describe('an offer', () => {
  it('becomes a lease of another number when it is accepted, and can be accepted once', () => {
    const table = fastTable(1)
    const lane = laneOf(table, 1)
    const offer = leaseId(0, table.step(0, table.word(0), 'leased', 1))
    const lease = lane.accept(offer)
    expect(lease).not.toBe(offer)
    expect([sessionOf(table.word(0)), wordOfLease(lease)]).toEqual([1, table.word(0)])
    expect([lane.accept(offer), lane.release(offer)]).toEqual([0, 'ended'])
    expect(lane.release(lease)).toBe('home')
  })

  it('that has been taken back is void, also when the slot is lent to the same thread again', () => {
    const table = fastTable(1)
    const lane = laneOf(table, 1)
    const offer = leaseId(0, table.step(0, table.word(0), 'leased', 1))
    table.step(0, table.step(0, wordOfLease(offer), 'returning'), 'idle')
    expect(lane.accept(offer)).toBe(0)
    const word = table.step(0, table.word(0), 'leased', 1)
    expect(lane.accept(offer)).toBe(0)
    expect(table.word(0)).toBe(word)
  })
})
