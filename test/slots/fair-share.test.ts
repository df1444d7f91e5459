import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyoneWaits, mayKeep, othersWait } from '../../src/slots/fair-share.ts'
import type { SlotTable } from '../../src/slots/slot-table.ts'
import { fastTable, laneOf, waits } from '../support/fast-table.ts'

/** A table on which session `n` holds `held[n]` slots, and those named wait. */
function tableOf(held: readonly number[], entitled: readonly number[]): SlotTable {
  const table = fastTable(
    Math.max(
      1,
      held.reduce((sum, each) => sum + each, 0),
    ),
  )
  held.forEach((count, session) => {
    const lane = laneOf(table, session)
    for (let i = 0; i < count; i++) expect(lane.claim()).not.toBe(0)
  })
  for (const session of entitled) waits(table, session)
  return table
}

/** Hand-overs after which even a lead of one is given up. */
const bound = 16

describe('a thread may keep what comes free', () => {
  it.each([
    ['nobody else waits', [0, 3], [], bound, true],
    ['only its own callers wait', [0, 3], [1], 1000, true],
    ['another waits that holds as many', [0, 2, 2], [2], 1000, true],
    ['another waits that holds more', [0, 1, 3], [2], 1000, true],
    ['another waits that holds one fewer, for some time', [0, 1, 0], [2], bound - 1, true],
    ['another waits that holds one fewer, but not for ever', [0, 1, 0], [2], bound, false],
    ['another waits that holds two fewer: never', [0, 2, 0], [2], 0, false],
    ["the coordinator's own callers wait: the same rules", [0, 1, 0], [0], bound, false],
    ["the coordinator's own callers wait, who hold as many", [1, 1, 0], [0], 1000, true],
    ['of several others one holds two fewer', [0, 3, 3, 1], [2, 3], 0, false],
    ['one that holds nothing does not wait', [0, 3, 3, 0], [2], 1000, true],
  ] as const)('when %s', (_when, held, entitled, handOvers, expected) => {
    expect(mayKeep(tableOf(held, entitled), 1, handOvers)).toBe(expected)
  })

  it('by max-min fair share, whoever holds and whoever waits', () => {
    const holdings = fc.array(fc.nat(4), { minLength: 2, maxLength: 5 })
    fc.assert(
      fc.property(holdings, fc.array(fc.nat(4), { maxLength: 5 }), fc.nat(20), (held, wanting, handOvers) => {
        const entitled = [...new Set(wanting)].filter(session => session < held.length)
        const lead = held[1]! - Math.min(...entitled.filter(other => other !== 1).map(other => held[other]!))
        const expected = lead <= 0 || lead === Number.NEGATIVE_INFINITY || (lead === 1 && handOvers < bound)
        expect(mayKeep(tableOf(held, entitled), 1, handOvers)).toBe(expected)
      }),
    )
  })

  it('whatever was counted before: one call leaves nothing to the next', () => {
    const crowded = tableOf([0, 1, 5], [2])
    const table = tableOf([0, 2, 0], [2])
    expect(mayKeep(crowded, 1, 0)).toBe(true)
    expect(mayKeep(table, 1, 0)).toBe(false)
  })

  it('when one waits of whom the coordinator does not know, or whose thread is gone', () => {
    const table = tableOf([0, 3, 0], [])
    table.sessions.setWaiting(2, 1)
    expect(mayKeep(table, 1, bound)).toBe(true)
    waits(table, 2)
    expect(mayKeep(table, 1, bound)).toBe(false)
    table.sessions.close(2)
    expect(mayKeep(table, 1, bound)).toBe(true)
  })
})

describe('who waits', () => {
  it('is asked of the others, or of all', () => {
    const table = tableOf([0, 0, 0], [2])
    expect([othersWait(table, 1), othersWait(table, 2), anyoneWaits(table)]).toEqual([true, false, true])
    expect(othersWait(table, 0)).toBe(true)
  })

  it("counts the coordinator's own callers", () => {
    const table = tableOf([0, 0], [0])
    expect([othersWait(table, 1), othersWait(table, 0), anyoneWaits(table)]).toEqual([true, false, true])
  })

  it('does not count an ask that stands while none of its callers waits', () => {
    const table = tableOf([0, 0], [])
    waits(table, 1, 2, 0)
    expect([table.waiters, othersWait(table, 0), anyoneWaits(table)]).toEqual([2, false, false])
  })
})
