import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { header, slotFlag } from '../../src/slots/layout.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'

/** A table whose counter `name` reads `start`, and the words behind it. */
function tableAt(slots: number, name: 'clock' | 'returns', start: number): SlotTable {
  const table = SlotTable.create(slots)
  const buffer = table.share()
  new Int32Array(buffer)[header[name]] = start
  // Of what it has said itself the coordinator's table believes nobody else.
  return SlotTable.attach(buffer)
}

/** Counters near the ends of their range, where they wrap, and anywhere. */
const start = fc.oneof(
  fc.integer({ min: 2 ** 31 - 20, max: 2 ** 31 - 1 }),
  fc.integer({ min: -20, max: 20 }),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
)

describe('the order of returns', () => {
  it('is the order in which the slots came home, also where the counter wraps', () => {
    const slots = 8
    const order = fc.uniqueArray(fc.nat(slots - 1), { minLength: 2, maxLength: slots })
    fc.assert(
      fc.property(start, order, fc.array(fc.nat(slots - 1), { maxLength: 10 }), (at, last, before) => {
        const table = tableAt(slots, 'returns', at)
        for (const slot of [...before, ...last]) table.stampReturn(slot)
        expect([...last].sort((a, b) => table.compareReturns(a, b))).toEqual(last)
        expect([...last].sort((a, b) => table.compareReturns(b, a))).toEqual([...last].reverse())
      }),
      { numRuns: 500 },
    )
  })
})

describe('the invalidation clock', () => {
  it('condemns what was opened before the invalidation, and nothing else, also where the counter wraps', () => {
    const slots = 4
    const happening = fc.oneof(fc.record({ open: fc.nat(slots - 1) }), fc.constant('invalidate' as const))
    fc.assert(
      fc.property(start, fc.array(happening, { maxLength: 60 }), (at, happenings) => {
        const table = tableAt(slots, 'clock', at)
        const condemned = new Map<number, boolean>()
        for (const each of happenings) {
          if (each === 'invalidate') {
            table.invalidateAll()
            for (const slot of condemned.keys()) condemned.set(slot, true)
          } else {
            table.stampOpening(each.open, 0)
            condemned.set(each.open, false)
          }
          for (const [slot, isCondemned] of condemned)
            expect(table.isCondemned(table.generation(slot))).toBe(isCondemned)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('gives every open a generation of its own', () => {
    const table = SlotTable.create(2)
    const seen = new Set<number>()
    for (let i = 0; i < 100; i++) {
      table.stampOpening(i % 2, 0)
      seen.add(table.generation(i % 2))
    }
    expect(seen.size).toBe(100)
  })

  it('is strict: what is stamped with the very tick of an invalidation is not condemned by it (107)', () => {
    const table = SlotTable.create(1)
    const words = new Int32Array(table.share())
    table.stampOpening(0, 0)
    table.invalidateAll()
    const tick = words[header.invalidation]!
    expect([tick - 1, tick, tick + 1].map(generation => table.isCondemned(generation))).toEqual([true, false, false])
  })

  it('condemns nothing as long as nothing was invalidated', () => {
    const table = SlotTable.create(1)
    expect(table.isCondemned(table.generation(0))).toBe(false)
    table.stampOpening(0, 0)
    expect(table.isCondemned(table.generation(0))).toBe(false)
  })

  it('condemns a connection whose open was under way: the stamp comes before the open (152)', () => {
    const table = SlotTable.create(1)
    table.stampOpening(0, 0)
    const generation = table.generation(0)
    table.invalidateAll()
    expect(table.isCondemned(generation)).toBe(true)
    table.stampOpening(0, 0)
    expect(table.isCondemned(table.generation(0))).toBe(false)
    expect(table.isCondemned(generation)).toBe(true)
  })
})

describe('the stamps of a slot', () => {
  it('keep the monotonic time of the opening to the millisecond', () => {
    const table = SlotTable.create(1)
    fc.assert(
      fc.property(fc.double({ min: 0, max: 2 ** 31 * 1000 - 1, noNaN: true }), now => {
        table.stampOpening(0, now)
        expect(table.openedAt(0)).toBe(Math.floor(now))
      }),
    )
  })

  it('hold a soft mark until the next opening, each slot its own', () => {
    const table = SlotTable.create(2)
    table.stampOpening(0, 0)
    table.mark(0, slotFlag.stale)
    table.mark(0, slotFlag.stale)
    expect([table.isMarked(0, slotFlag.stale), table.isMarked(1, slotFlag.stale)]).toEqual([true, false])
    table.stampReturn(0)
    expect(table.isMarked(0, slotFlag.stale)).toBe(true)
    table.stampOpening(0, 0)
    expect(table.isMarked(0, slotFlag.stale)).toBe(false)
  })
})
