import { describe, expect, it } from 'vitest'
import { FastLane } from '../../src/slots/fast-lane.ts'
import { slotFlag } from '../../src/slots/layout.ts'
import { coordinator } from './coordinator.ts'
import { atMost, faultOf } from './house.ts'
import type { Program } from './replay.ts'
import { close, dispose, expire, inspect, invalidate, ping } from './upkeep.ts'

const laneOf: (scope: Parameters<Program>[0]) => FastLane = ({ table, self }) =>
  new FastLane(table, self, { useLifo: false, recycleMs: -1 })

/** Claims, uses and returns what is idle, so many times; `twice`: returns each lease again, when it is over. */
const claimer =
  (times: number, returns: 'once' | 'twice' = 'once'): Program =>
  scope => {
    const lane = laneOf(scope)
    for (let time = 0; time < times; time++) {
      const lease = lane.claim()
      if (lease === 0) continue
      scope.use(lease)
      if (lane.release(lease) === 'slow') scope.send(0, ['end', lease])
      if (returns === 'twice' && lane.release(lease) !== 'ended') throw new Error('a lease has ended twice')
    }
  }

describe('threads that claim and return by themselves', () => {
  const idle = coordinator(1)

  it('two on one slot, every interleaving', () => {
    expect(faultOf({ slots: 1, coordinator: idle, threads: [claimer(2), claimer(2)] })).toBeUndefined()
  })

  it(`three on one slot, at most ${atMost(3)} preemptions`, () => {
    const threads = [claimer(1), claimer(1), claimer(1)]
    expect(faultOf({ slots: 1, coordinator: idle, threads, preemptions: atMost(3) })).toBeUndefined()
  })

  it(`two on two slots, each first what it had last, at most ${atMost(4)} preemptions`, () => {
    const threads = [claimer(2), claimer(2)]
    expect(faultOf({ slots: 2, coordinator: coordinator(2), threads, preemptions: atMost(4) })).toBeUndefined()
  })

  it('and return each lease twice, every interleaving of two', () => {
    expect(
      faultOf({ slots: 1, coordinator: idle, threads: [claimer(1, 'twice'), claimer(1, 'twice')] }),
    ).toBeUndefined()
  })

  it.each([
    ['reserved', coordinator(1, made => inspect(made, 0))],
    ['reserved for a ping', coordinator(1, made => ping(made, 0))],
    ['past its lifetime', coordinator(1, made => expire(made, 0))],
    ['closed', coordinator(1, made => close(made, 0))],
    ['invalidated under its holder', coordinator(1, made => invalidate(made, 0))],
    ['marked stale', coordinator(1, made => made.slots.mark(0, slotFlag.stale))],
    ['condemned with all others', coordinator(1, made => made.slots.invalidateAll())],
    ['disposed of', coordinator(1, made => dispose(made))],
  ])('two, while the slot is %s, every interleaving', (_, busy) => {
    expect(faultOf({ slots: 1, coordinator: busy, threads: [claimer(1), claimer(1)] })).toBeUndefined()
  })

  it('one of two dies between any two steps, every interleaving', () => {
    expect(faultOf({ slots: 1, coordinator: idle, threads: [claimer(1), claimer(1)], mortals: [1] })).toBeUndefined()
  })
})
