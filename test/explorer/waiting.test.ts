import { describe, expect, it } from 'vitest'
import { borrower } from './borrower.ts'
import { coordinator } from './coordinator.ts'
import { atMost, faultOf } from './house.ts'

/** What else happens to the slots. */
const troubles = [
  ['nothing else happens', coordinator(1)],
  ['all connections are condemned', coordinator(1, made => made.slots.invalidateAll())],
  ['one is invalidated under its holder', coordinator(1, made => made.invalidate(0))],
  ['one is reserved for a moment', coordinator(1, made => made.inspect(0))],
  ['one is closed where it stands', coordinator(1, made => made.close(0))],
  ['the pool is disposed of', coordinator(1, made => made.dispose())],
  ['the first thread is told to leave', coordinator(1, made => made.takeBack(1))],
] as const

describe('claim, wait, offer, accept and release', () => {
  it('by two threads on one slot, every interleaving', () => {
    expect(faultOf({ slots: 1, coordinator: coordinator(1), threads: [borrower(), borrower()] })).toBeUndefined()
  })

  it.each(troubles)(`by two threads on one slot while %s, at most ${atMost(2)} preemptions`, (_, busy) => {
    const house = { slots: 1, coordinator: busy, threads: [borrower(), borrower()], preemptions: atMost(2) }
    expect(faultOf(house)).toBeUndefined()
  })

  it.each(troubles)(`by three threads on one slot while %s, at most ${atMost(1)} preemption(s)`, (_, busy) => {
    const threads = [borrower(), borrower(), borrower()]
    expect(faultOf({ slots: 1, coordinator: busy, threads, preemptions: atMost(1) })).toBeUndefined()
  })

  it.each([
    ['two callers and one', [borrower(2), borrower()]],
    ['two callers and one, and a thread that sleeps when it is done', [borrower(2, 'sleeps'), borrower()]],
    ['two callers and two', [borrower(2), borrower(2)]],
  ])(`with hand-overs within a thread: %s, at most ${atMost(2)} preemptions`, (_, threads) => {
    expect(faultOf({ slots: 1, coordinator: coordinator(1), threads, preemptions: atMost(2) })).toBeUndefined()
  })

  it(`by three threads on two slots, at most ${atMost(2)} preemptions`, () => {
    const threads = [borrower(), borrower(), borrower()]
    expect(faultOf({ slots: 2, coordinator: coordinator(2), threads, preemptions: atMost(2) })).toBeUndefined()
  })
})

describe('a thread dies between any two steps', () => {
  it.each([
    ['of two on one slot', 1, [borrower(), borrower()]],
    ['of two on one slot, one of which hands over', 1, [borrower(2), borrower()]],
    ['of three on one slot', 1, [borrower(), borrower(), borrower()]],
  ])(`%s, at most ${atMost(1)} preemption(s)`, (_, slots, threads) => {
    const house = { slots, coordinator: coordinator(slots), threads, mortals: [1], preemptions: atMost(1) }
    expect(faultOf(house)).toBeUndefined()
  })
})
