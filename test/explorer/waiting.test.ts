import { describe, expect, it } from 'vitest'
import { borrower } from './borrower.ts'
import { coordinator } from './coordinator.ts'
import { atMost, faultOf, more } from './house.ts'
import { borrow } from './own-caller.ts'
import { close, dispose, expire, inspect, invalidate, ping, suspend } from './upkeep.ts'

/** What else happens to the slots. */
const troubles = [
  ['nothing else happens', coordinator(1)],
  ["the coordinator's own thread wants one too", coordinator(1, borrow)],
  ['all connections are condemned', coordinator(1, made => made.slots.invalidateAll())],
  ['one is invalidated under its holder', coordinator(1, made => invalidate(made, 0))],
  ['one is reserved for a moment', coordinator(1, made => inspect(made, 0))],
  ['one is closed where it stands', coordinator(1, made => close(made, 0))],
  ['one is reserved for a ping', coordinator(1, made => ping(made, 0))],
  ['one reaches its lifetime', coordinator(1, made => expire(made, 0))],
  ['the pool is suspended for a while', coordinator(1, made => suspend(made))],
  ['the pool is disposed of', coordinator(1, made => dispose(made))],
  ['the first thread is told to leave', coordinator(1, made => made.dismiss(1))],
] as const

describe('claim, wait, offer, accept and release', () => {
  it('by two threads on one slot, every interleaving', () => {
    expect(faultOf({ slots: 1, coordinator: coordinator(1), threads: [borrower(), borrower()] })).toBeUndefined()
  })

  it.each(troubles)(`by two threads on one slot while %s, at most ${atMost(1)} preemptions`, (_, busy) => {
    const house = { slots: 1, coordinator: busy, threads: [borrower(), borrower()], preemptions: atMost(1) }
    expect(faultOf(house)).toBeUndefined()
  })

  it(`by three threads on one slot, at most ${atMost(1)} preemptions`, () => {
    const threads = [borrower(), borrower(), borrower()]
    expect(faultOf({ slots: 1, coordinator: coordinator(1), threads, preemptions: atMost(1) })).toBeUndefined()
  })

  // Two of these take as long as all other tests here.
  const short = troubles.filter(([what]) => more > 0 || !/disposed|leave/.test(what))
  it.each(short)(`by three threads on one slot while %s, at most ${atMost(0)} preemptions`, (_, busy) => {
    const threads = [borrower(), borrower(), borrower()]
    expect(faultOf({ slots: 1, coordinator: busy, threads, preemptions: atMost(0) })).toBeUndefined()
  })

  it.each([
    ['two callers and one', atMost(2), [borrower(2), borrower()]],
    ['two callers and one, and a thread that sleeps when it is done', atMost(2), [borrower(2, 'sleeps'), borrower()]],
    ['two callers and two', atMost(1), [borrower(2), borrower(2)]],
  ])('with hand-overs within a thread: %s, at most %i preemptions', (_, preemptions, threads) => {
    expect(faultOf({ slots: 1, coordinator: coordinator(1), threads, preemptions })).toBeUndefined()
  })

  it(`by three threads on two slots, at most ${atMost(2)} preemptions`, () => {
    const threads = [borrower(), borrower(), borrower()]
    expect(faultOf({ slots: 2, coordinator: coordinator(2), threads, preemptions: atMost(2) })).toBeUndefined()
  })
})

// Also between counting a ring and making it heard: then the next look of the coordinator finds what lies idle.
describe('a thread dies between any two steps, and the coordinator looks when nothing happens any more', () => {
  it.each([
    // Without a bound it takes a minute, and nothing is found either.
    ['two on one slot', more > 3 ? Number.POSITIVE_INFINITY : atMost(2), [borrower(), borrower()]],
    ['two on one slot, and one hands over', atMost(1), [borrower(2), borrower()]],
    ['three on one slot', atMost(0), [borrower(), borrower(), borrower()]],
  ])('of %s, at most %i preemptions', (_, preemptions, threads) => {
    expect(
      faultOf({ slots: 1, coordinator: coordinator(1), threads, mortals: [1], looks: true, preemptions }),
    ).toBeUndefined()
  })
})
