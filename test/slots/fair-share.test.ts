import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyoneWaits, mayKeep, nextInTurn, othersWait, spokenFor } from '../../src/slots/fair-share.ts'
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

describe('whose turn it is', () => {
  it.each([
    ['nobody waits', [0, 1], [], -1],
    ['one waits', [0, 1, 3], [2], 2],
    ['several wait: who holds fewest', [0, 2, 1, 3], [1, 2, 3], 2],
    ["the coordinator's own callers hold fewest", [0, 1, 1], [0, 1, 2], 0],
    ['among equals: who came first', [1, 1, 1, 1], [3, 1, 2], 3],
    ['several hold as few: the first of them', [2, 0, 0, 1], [0, 2, 1, 3], 2],
  ] as const)('when %s', (_when, held, entitled, expected) => {
    const table = tableOf(held, entitled)
    for (const session of entitled) table.sessions.setSince(session, table.sessions.arrive())
    expect(nextInTurn(table)).toBe(expected)
  })

  it('is not that of who has just had it, while others hold as few', () => {
    const table = tableOf([0, 1, 1, 2], [1, 2, 3])
    for (const session of [1, 2, 3]) table.sessions.setSince(session, table.sessions.arrive())
    expect([nextInTurn(table, 1), nextInTurn(table, 2), nextInTurn(table, 3)]).toEqual([2, 1, 1])
  })

  it('is not that of a thread in which only statements wait, which have connections', () => {
    const table = tableOf([0, 0, 2], [1, 2])
    table.sessions.setWaiting(1, 5, 0)
    expect(nextInTurn(table)).toBe(2)
    table.sessions.bells.ring(1)
    expect(spokenFor(table)).toBe(0)
  })

  it('is that of who came first even as the count of arrivals comes round', () => {
    const table = tableOf([0, 0, 0], [1, 2])
    table.sessions.setSince(1, -(2 ** 31))
    table.sessions.setSince(2, 2 ** 31 - 1)
    expect(nextInTurn(table)).toBe(2)
  })

  it('is nobody’s for whom it has rung already, once for each caller', () => {
    const table = tableOf([0, 0, 0], [])
    waits(table, 1, 2)
    waits(table, 2)
    const { bells } = table.sessions
    const turns: number[] = []
    for (let next = nextInTurn(table); next !== -1; next = nextInTurn(table)) {
      turns.push(next)
      bells.ring(next)
    }
    expect([turns, spokenFor(table)]).toEqual([[1, 1, 2], 3])
    // One who has heard, and has not been served, is in the line again; who does not wait any more leaves nothing behind.
    bells.hear(1, 2)
    expect([nextInTurn(table), spokenFor(table)]).toEqual([1, 1])
    table.sessions.setWaiting(2, 0)
    expect(spokenFor(table)).toBe(0)
  })
})
