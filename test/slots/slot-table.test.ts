import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { header, tableFlag } from '../../src/slots/layout.ts'
import { outOf } from '../../src/slots/out.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { allowedSteps, maxSession, type SlotState, sessionOf, stateNumbers, stateOf } from '../../src/slots/state.ts'

const states = Object.keys(stateNumbers) as SlotState[]
const slots = 3

/** One thing that somebody tries: a step from a word that was seen at some time, the present one or an old one. */
const attempt = fc.record({
  slot: fc.nat(slots - 1),
  to: fc.constantFrom(...states),
  session: fc.nat(maxSession),
  /** How many words ago it was seen; 0: it is the present one. */
  age: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(12) }),
})

const isAllowed = (from: SlotState, to: SlotState): boolean => (allowedSteps[from] as readonly SlotState[]).includes(to)

const fresh = (size: number | 'growing' = slots, shared = false): SlotTable => {
  const table = SlotTable.create(size)
  if (shared) table.share()
  return table
}

/** Words seen on each slot, the latest last. */
const historyOf = (table: SlotTable): number[][] => Array.from({ length: slots }, (_, slot) => [table.word(slot)])

describe.each([
  ['in this thread', false],
  ['in shared memory', true],
])('a slot table %s', (_where, shared) => {
  it('makes allowed steps only: any other is a fault, and changes nothing', () => {
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 60 }), attempts => {
        const table = fresh(slots, shared)
        for (const { slot, to, session } of attempts) {
          const word = table.word(slot)
          if (isAllowed(stateOf(word), to)) {
            expect(stateOf(table.step(slot, word, to, session))).toBe(to)
            expect(table.state(slot)).toBe(to)
          } else {
            expect(() => table.step(slot, word, to, session)).toThrow(/^BUG: /)
            expect(table.word(slot)).toBe(word)
          }
        }
      }),
    )
  })

  it('gives way to nobody who comes from an outdated word: of two who step from one word, one succeeds', () => {
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 100 }), attempts => {
        const table = fresh(slots, shared)
        const history = historyOf(table)
        for (const { slot, to, session, age } of attempts) {
          const seen = history[slot]!
          const word = seen.at(-1 - Math.min(age, seen.length - 1))!
          const present = table.word(slot)
          if (!isAllowed(stateOf(word), to)) continue
          const next = table.step(slot, word, to, session)
          if (word === present) seen.push(next)
          expect(next === -1).toBe(word !== present)
          expect(table.word(slot)).toBe(next === -1 ? present : next)
        }
      }),
    )
  })

  it('never takes the word of a loan that is over, whatever has come of the slot since', () => {
    fc.assert(
      fc.property(fc.array(attempt, { minLength: 20, maxLength: 200 }), attempts => {
        const table = fresh(slots, shared)
        const over: number[][] = Array.from({ length: slots }, () => [])
        for (const { slot, to, session } of attempts) {
          const word = table.word(slot)
          if (!isAllowed(stateOf(word), to)) continue
          table.step(slot, word, to, session)
          if (stateOf(word) === 'leased') over[slot]!.push(word)
          for (const stale of over[slot]!) {
            expect(table.word(slot)).not.toBe(stale)
            // A second release, a late finalizer, a message of an earlier loan.
            for (const end of allowedSteps.leased) expect(table.step(slot, stale, end)).toBe(-1)
          }
        }
      }),
    )
  })

  it('holds a slot for one session at a time, and for nobody when it is idle or empty', () => {
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 100 }), attempts => {
        const table = fresh(slots, shared)
        for (const { slot, to, session } of attempts) {
          const word = table.word(slot)
          if (!isAllowed(stateOf(word), to)) continue
          const next = table.step(slot, word, to, session)
          expect(sessionOf(next)).toBe(to === 'idle' || to === 'empty' ? 0 : session)
        }
        const held = Array.from({ length: slots }, (_, slot) => table.word(slot)).filter(word =>
          ['leased', 'opening', 'returning'].includes(stateOf(word)),
        )
        expect(outOf(table).map(({ session }) => session)).toEqual(held.map(sessionOf))
      }),
    )
  })

  it('keeps the holder when a step names none', () => {
    const table = fresh(slots, shared)
    let word = table.step(0, table.word(0), 'opening', 7)
    for (const to of ['leased', 'returning', 'closing'] as const) {
      word = table.step(0, word, to)
      expect(sessionOf(word)).toBe(7)
    }
  })

  it('loses no slot: the counts by state add up to the capacity, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 60 }), attempts => {
        const table = fresh(slots, shared)
        for (const { slot, to, session } of attempts) {
          const word = table.word(slot)
          if (isAllowed(stateOf(word), to)) table.step(slot, word, to, session)
          const counts = table.counts()
          expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(slots)
          for (const state of states) {
            const inState = Array.from({ length: slots }, (_, each) => table.state(each)).filter(each => each === state)
            expect(counts[state]).toBe(inState.length)
          }
        }
      }),
    )
  })

  it('does not mix slots up: a step changes its own and no other', () => {
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 60 }), attempts => {
        const table = fresh(slots, shared)
        for (const { slot, to, session } of attempts) {
          const before = Array.from({ length: slots }, (_, each) => table.word(each))
          if (!isAllowed(stateOf(before[slot]!), to)) continue
          before[slot] = table.step(slot, before[slot]!, to, session)
          table.stampReturn(slot)
          table.stampOpening(slot, 123_456)
          expect(Array.from({ length: slots }, (_, each) => table.word(each))).toEqual(before)
        }
      }),
    )
  })

  it('has no slot beyond its capacity', () => {
    const table = fresh(slots, shared)
    for (const slot of [-1, slots, 1.5 + slots, Number.NaN]) expect(() => table.word(slot)).toThrow(/^BUG: no slot/)
  })
})

describe('the header', () => {
  it('keeps waiters and flags apart', () => {
    const table = SlotTable.create(1)
    const { fastCheckin, fastCheckout } = tableFlag
    expect([table.waiters, table.has(fastCheckin), table.has(fastCheckout)]).toEqual([0, true, false])
    table.waiters = 5
    table.set(fastCheckout, true)
    table.set(fastCheckin, false)
    expect([table.waiters, table.flags, table.capacity]).toEqual([5, fastCheckout, 1])
    table.set(fastCheckin, true)
    expect([table.waiters, table.flags]).toEqual([5, fastCheckin | fastCheckout])
  })

  it('says its layout: a table of another version of this package is refused', () => {
    const buffer = SlotTable.create(1).share()
    new Int32Array(buffer)[header.version] = 999
    expect(() => SlotTable.attach(buffer)).toThrow(/layout 999/)
  })
})
