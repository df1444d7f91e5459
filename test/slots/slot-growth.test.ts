import { describe, expect, it } from 'vitest'
import { slotFlag, tableFlag } from '../../src/slots/layout.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'

/** Leases every slot to a session of its own, and returns the words. */
const leaseAll = (table: SlotTable, from = 0): number[] => {
  const words: number[] = []
  for (let slot = from; slot < table.capacity; slot++) {
    table.stampOpening(slot, slot * 1000)
    words.push(table.step(slot, table.step(slot, table.word(slot), 'opening', slot + 1), 'leased'))
  }
  return words
}

const wordsOf = (table: SlotTable): number[] => Array.from({ length: table.capacity }, (_, slot) => table.word(slot))

describe('a table that is shared', () => {
  it('takes its contents along: words, stamps and header', () => {
    const table = SlotTable.create(4)
    const words = leaseAll(table)
    table.stampReturn(2)
    table.stampReturn(1)
    table.mark(3, slotFlag.stale)
    table.invalidateAll()
    table.waiters = 2
    const buffer = table.share()
    const other = SlotTable.attach(buffer)
    for (const each of [table, other]) {
      expect(wordsOf(each)).toEqual(words)
      expect(each.openedAt(3)).toBe(3000)
      expect(each.compareReturns(2, 1)).toBeLessThan(0)
      expect([each.isMarked(2, slotFlag.stale), each.isMarked(3, slotFlag.stale)]).toEqual([false, true])
      expect(each.isCondemned(each.generation(0))).toBe(true)
      expect([each.capacity, each.waiters, each.has(tableFlag.fastCheckin)]).toEqual([4, 2, true])
    }
  })

  it('is one table for both sides from then on: a word taken before is good on either', () => {
    const table = SlotTable.create(1)
    const [word] = leaseAll(table)
    const other = SlotTable.attach(table.share())
    const idle = other.step(0, word!, 'idle')
    expect(table.word(0)).toBe(idle)
    expect(table.step(0, word!, 'idle')).toBe(-1)
    table.step(0, idle, 'leased', 9)
    expect(other.state(0)).toBe('leased')
  })

  it('is shared once: the second time gives the same memory', () => {
    const table = SlotTable.create(1)
    expect(table.share()).toBe(table.share())
  })
})

describe('a table that grows', () => {
  it.each([
    ['in this thread', false],
    ['in shared memory', true],
  ])('doubles %s, and every slot stays as it was', (_where, shared) => {
    const table = SlotTable.create('growing')
    if (shared) table.share()
    const before = table.capacity
    const words = leaseAll(table)
    expect(table.grow()).toBe(true)
    expect(table.capacity).toBe(before * 2)
    expect(wordsOf(table).slice(0, before)).toEqual(words)
    expect(table.counts()).toMatchObject({ leased: before, empty: before })
    expect(leaseAll(table, before)).toHaveLength(before)
  })

  it('shows its new slots to threads that attached before it grew', () => {
    const table = SlotTable.create('growing')
    const other = SlotTable.attach(table.share())
    const before = table.capacity
    table.grow()
    const [word] = leaseAll(table, before)
    expect(other.capacity).toBe(before * 2)
    expect(other.word(before)).toBe(word)
    expect(other.step(before, word!, 'idle')).toBe(table.word(before))
  })

  it('can be shared after it has grown, and grow after that', () => {
    const table = SlotTable.create('growing')
    table.grow()
    const words = leaseAll(table)
    const other = SlotTable.attach(table.share())
    expect(wordsOf(other)).toEqual(words)
    expect(table.grow()).toBe(true)
    expect(other.capacity).toBe(words.length * 2)
  })

  it('stops at 65,536 slots', () => {
    const table = SlotTable.create('growing')
    while (table.grow());
    expect(table.capacity).toBe(65_536)
    expect(table.state(65_535)).toBe('empty')
  })

  it('is not one that was made with a fixed size', () => {
    const table = SlotTable.create(3)
    expect(table.grow()).toBe(false)
    table.share()
    expect([table.grow(), table.capacity]).toEqual([false, 3])
  })
})
