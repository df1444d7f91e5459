import { describe, expect, it, vi } from 'vitest'
import { monotonicMs } from '../../src/base/clock.ts'
import { slotFlag, tableFlag } from '../../src/slots/layout.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { sessionOf, slotOfLease, stateOf, wordOfLease } from '../../src/slots/state.ts'
import { fastTable, laneOf, waits, waitsNoMore } from '../support/fast-table.ts'

const spent = ['stale', 'lost', 'retiring'] as const

describe('a claim', () => {
  it('lends an idle slot to its thread, under a new lease number each time', () => {
    const table = fastTable(1)
    const lane = laneOf(table, 3)
    const leases = new Set<number>()
    for (let round = 0; round < 5; round++) {
      const lease = lane.claim()
      expect([slotOfLease(lease), wordOfLease(lease)]).toEqual([0, table.word(0)])
      expect([stateOf(table.word(0)), sessionOf(table.word(0))]).toEqual(['leased', 3])
      leases.add(lease)
      expect(lane.release(lease)).toBe('home')
    }
    expect(leases.size).toBe(5)
  })

  it.each([
    [false, [3, 1, 0, 2]],
    [true, [2, 0, 1, 3]],
  ])('with useLifo %s takes them in the order of their returns (57)', (useLifo, expected) => {
    const table = fastTable(4)
    const lane = laneOf(table, 1, { useLifo })
    const leases = [0, 1, 2, 3].map(() => lane.claim())
    const bySlot = new Map(leases.map(lease => [slotOfLease(lease), lease]))
    for (const slot of [3, 1, 0, 2]) lane.release(bySlot.get(slot)!)
    expect([0, 1, 2, 3].map(() => slotOfLease(lane.claim()))).toEqual(expected)
  })

  it('is 0 where nothing is idle, in whatever other state the slots are', () => {
    const table = SlotTable.create(5)
    table.set(tableFlag.fastCheckout, true)
    const lane = laneOf(table, 1)
    const to = (slot: number, ...states: readonly Parameters<SlotTable['step']>[2][]): void => {
      for (const state of states) table.step(slot, table.word(slot), state, 2)
    }
    to(1, 'opening')
    to(2, 'opening', 'idle', 'reserved')
    to(3, 'opening', 'leased')
    to(4, 'opening', 'leased', 'returning')
    const words = [0, 1, 2, 3, 4].map(slot => table.word(slot))
    expect(lane.claim()).toBe(0)
    expect([0, 1, 2, 3, 4].map(slot => table.word(slot))).toEqual(words)
  })

  it.each(spent)('passes by a slot that is %s, and takes the next', flag => {
    const table = fastTable(2)
    table.mark(0, slotFlag[flag])
    const lane = laneOf(table, 1)
    expect(slotOfLease(lane.claim())).toBe(1)
    expect(lane.claim()).toBe(0)
    expect(table.state(0)).toBe('idle')
  })

  it('passes by a connection that the pool has invalidated', () => {
    const table = fastTable(2)
    table.invalidateAll()
    table.stampOpening(1, monotonicMs())
    const lane = laneOf(table, 1)
    expect(slotOfLease(lane.claim())).toBe(1)
    expect(lane.claim()).toBe(0)
  })

  it('passes by a connection that is too old, where age matters', () => {
    const table = fastTable(3)
    const now = monotonicMs()
    table.stampOpening(0, now - 5000)
    table.stampOpening(1, now - 500)
    table.stampOpening(2, now)
    expect(slotOfLease(laneOf(table, 1, { recycleMs: 1000 }).claim())).toBe(1)
    expect(slotOfLease(laneOf(table, 2, { recycleMs: 400 }).claim())).toBe(2)
    expect(laneOf(table, 3, { recycleMs: 400 }).claim()).toBe(0)
    expect(slotOfLease(laneOf(table, 4).claim())).toBe(0)
  })

  it('takes one that must be returned slowly: that concerns its end', () => {
    const table = fastTable(1)
    table.mark(0, slotFlag.slow)
    expect(laneOf(table, 1).claim()).not.toBe(0)
  })

  it.each([
    ['somebody wants to see or examine checkouts', tableFlag.fastCheckout, false],
    ['every lease is watched', tableFlag.watched, true],
  ])('is 0 where %s', (_why, flag, on) => {
    const table = fastTable(1)
    const lane = laneOf(table, 1)
    table.set(flag, on)
    expect([lane.isOpen, lane.claim(), table.state(0)]).toEqual([false, 0, 'idle'])
    table.set(flag, !on)
    expect(lane.isOpen).toBe(true)
    expect(lane.claim()).not.toBe(0)
  })

  it('stands back where another thread is entitled, and not where only its own callers are (no barging)', () => {
    const table = fastTable(2)
    const [lane] = [laneOf(table, 1), laneOf(table, 2)]
    waits(table, 2)
    expect(lane.claim()).toBe(0)
    waitsNoMore(table, 2)
    waits(table, 0)
    expect(lane.claim()).toBe(0)
    waitsNoMore(table, 0)
    waits(table, 1)
    expect(lane.claim()).not.toBe(0)
  })

  it('looks again where another thread was faster, and takes the next', () => {
    const table = fastTable(2)
    const [lane, rival] = [laneOf(table, 1), laneOf(table, 2)]
    const step = vi.spyOn(table, 'step').mockImplementationOnce((...args) => {
      expect(slotOfLease(rival.claim())).toBe(0)
      return table.step(...args)
    })
    const lease = lane.claim()
    step.mockRestore()
    expect(slotOfLease(lease)).toBe(1)
    expect([0, 1].map(slot => sessionOf(table.word(slot)))).toEqual([2, 1])
  })
})

describe('a release', () => {
  it("makes the slot idle, and nobody's; a second one does nothing", () => {
    const table = fastTable(1)
    const [lane, rival] = [laneOf(table, 1), laneOf(table, 2)]
    const lease = lane.claim()
    expect(lane.release(lease)).toBe('home')
    expect([table.state(0), sessionOf(table.word(0))]).toEqual(['idle', 0])
    expect(lane.release(lease)).toBe('ended')
    const next = rival.claim()
    expect(lane.release(lease)).toBe('ended')
    expect(table.word(0)).toBe(wordOfLease(next))
    const returns = table.compareReturns(0, 0)
    expect(returns).toBe(0)
  })

  it('of a lease that is over is ended, however the slot is marked: it must not go by message', () => {
    const table = fastTable(1)
    const [lane, rival] = [laneOf(table, 1), laneOf(table, 2)]
    const lease = lane.claim()
    lane.release(lease)
    rival.claim()
    table.mark(0, slotFlag.slow)
    table.set(tableFlag.fastCheckin, false)
    expect(lane.release(lease)).toBe('ended')
  })

  it.each(['slow', 'lost', 'retiring'] as const)("of a slot that is %s is the coordinator's: nothing is done", flag => {
    const table = fastTable(1)
    const lane = laneOf(table, 1)
    const lease = lane.claim()
    table.mark(0, slotFlag[flag])
    expect(lane.release(lease)).toBe('slow')
    expect(table.word(0)).toBe(wordOfLease(lease))
  })

  it.each([
    ['somebody wants to see returns', tableFlag.fastCheckin, false],
    ['every lease is watched', tableFlag.watched, true],
    ['there are more connections than the pool keeps', tableFlag.overflowing, true],
  ])("is the coordinator's where %s: nothing is done", (_why, flag, on) => {
    const table = fastTable(1)
    const lane = laneOf(table, 1)
    const lease = lane.claim()
    table.set(flag, on)
    expect([lane.release(lease), table.word(0)]).toEqual(['slow', wordOfLease(lease)])
    table.set(flag, !on)
    expect(lane.release(lease)).toBe('home')
  })

  it('needs no fast checkout, and takes a connection that is softly invalidated: its next checkout replaces it', () => {
    const table = fastTable(1)
    const lane = laneOf(table, 1)
    const lease = lane.claim()
    table.set(tableFlag.fastCheckout, false)
    table.mark(0, slotFlag.stale)
    expect(lane.release(lease)).toBe('home')
  })

  it.each([1, 2])('rings for session %i where that is entitled, its own among them', session => {
    const table = fastTable(1)
    const [lane] = [laneOf(table, 1), laneOf(table, 2)]
    const lease = lane.claim()
    waits(table, session)
    const ring = vi.spyOn(table.sessions.bells, 'ring').mockImplementation(() => {
      // Whoever comes must find it.
      expect(table.state(0)).toBe('idle')
    })
    expect(lane.release(lease)).toBe('home')
    expect(ring.mock.calls).toEqual([[session]])
  })

  it.each([
    ["the coordinator's own callers", 0, () => {}],
    ['threads that may not lend to themselves', 2, (t: SlotTable) => t.set(tableFlag.fastCheckout, false)],
    ['threads that can not look at connections themselves', 2, (t: SlotTable) => t.set(tableFlag.pinged, true)],
    ['anybody, for a connection that has to be replaced first', 2, (t: SlotTable) => t.mark(0, slotFlag.stale)],
  ] as const)('is awaited by %s', (_, session, change) => {
    const table = fastTable(1)
    const [lane] = [laneOf(table, 1), laneOf(table, 2)]
    const lease = lane.claim()
    waits(table, session)
    change(table)
    expect([lane.release(lease), table.state(0), table.sessions.bells.rings(2)]).toEqual(['awaited', 'idle', 0])
  })

  it('rings for a thread that can look at connections itself', () => {
    const table = fastTable(1)
    const [lane] = [laneOf(table, 1), laneOf(table, 2)]
    const lease = lane.claim()
    waits(table, 2)
    table.set(tableFlag.pinged, true)
    table.sessions.setDirect(2)
    expect([lane.release(lease), table.sessions.bells.unheard(2)]).toEqual(['home', 1])
  })

  it('sees whoever begins to wait before it has made the slot idle, and so does a dispose()', () => {
    for (const interrupt of [(t: SlotTable) => waits(t, 0), (t: SlotTable) => t.mark(0, slotFlag.retiring)]) {
      const table = fastTable(1)
      const [lane] = [laneOf(table, 1), laneOf(table, 2)]
      const lease = lane.claim()
      // Between its look at the flags and its step.
      const stamp = vi.spyOn(table, 'stampReturn').mockImplementationOnce(slot => {
        interrupt(table)
        table.stampReturn(slot)
      })
      expect(lane.release(lease)).toBe('awaited')
      stamp.mockRestore()
    }
  })

  it('is ended where somebody takes the lease away at the last moment', () => {
    const table = fastTable(1)
    const lane = laneOf(table, 1)
    const lease = lane.claim()
    vi.spyOn(table, 'stampReturn').mockImplementationOnce(() => void table.step(0, table.word(0), 'closing'))
    expect(lane.release(lease)).toBe('ended')
    expect(table.state(0)).toBe('closing')
  })
})
