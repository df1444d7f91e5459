import { describe, expect, it } from 'vitest'
import {
  allowedSteps,
  leaseId,
  nextWord,
  type SlotState,
  sessionOf,
  slotOfLease,
  stateOf,
  wordOfLease,
} from '../../src/slots/state.ts'
import { slotRoads, slotStates } from '../support/slot-roads.ts'

/** A word in a given state, reached by allowed steps only. */
function wordIn(state: SlotState): number {
  return slotRoads[state].reduce<number>((word, to) => nextWord(word, to, 3), 0)
}

describe("a slot's word", () => {
  for (const from of slotStates) {
    for (const to of slotStates) {
      const allowed = (allowedSteps[from] as readonly SlotState[]).includes(to)
      it(`${allowed ? 'goes' : 'refuses to go'} from ${from} to ${to}`, () => {
        const word = wordIn(from)
        expect(stateOf(word)).toBe(from)
        if (allowed) expect(stateOf(nextWord(word, to, 7))).toBe(to)
        else expect(() => nextWord(word, to, 7)).toThrow(`BUG: a slot that is ${from} can't become ${to}`)
      })
    }
  }

  it('carries the holder, and a new lease number for every loan', () => {
    const first = nextWord(wordIn('idle'), 'leased', 511)
    expect(sessionOf(first)).toBe(511)
    const second = nextWord(nextWord(first, 'idle', 0), 'leased', 511)
    expect(second).not.toBe(first)
    expect(sessionOf(second)).toBe(511)
  })

  it('makes a lease a number that says its slot and its word', () => {
    const word = nextWord(wordIn('idle'), 'leased', 511)
    for (const slot of [0, 1, 65_535]) {
      const lease = leaseId(slot, word)
      expect(Number.isSafeInteger(lease)).toBe(true)
      expect(slotOfLease(lease)).toBe(slot)
      expect(wordOfLease(lease)).toBe(word)
    }
  })
})
