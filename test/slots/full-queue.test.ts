import { describe, expect, it } from 'vitest'
import { fullQueue, type QueuePolicy } from '../../src/slots/full-queue.ts'
import { slotFlag, tableFlag } from '../../src/slots/layout.ts'
import type { SlotTable } from '../../src/slots/slot-table.ts'
import { fastTable } from '../support/fast-table.ts'

/** Three slots, two threads, and so many callers in each. */
function crowded(waiting: readonly number[], served: readonly number[] = []): SlotTable {
  const table = fastTable(3)
  waiting.forEach((count, session) => {
    table.sessions.open(session, 100 + session)
    table.sessions.setWaiting(session, count)
    table.sessions.setServed(session, served[session] ?? 0)
  })
  return table
}

const taken = (table: SlotTable, count: number): SlotTable => {
  for (let slot = 0; slot < count; slot++) table.step(slot, table.word(slot), 'leased', 1)
  return table
}

const policy = (maxWaiters: number | null, limit: number | null = 3): QueuePolicy => ({ maxWaiters, limit })

/** How many waited, if the last who came is refused. */
const refused = (table: SlotTable, given: QueuePolicy, session = 1): number | undefined =>
  fullQueue(table, session, given, 'connect')?.waiting

describe('the last who came is refused', () => {
  it('if more wait than may, in all threads together, he included', () => {
    const table = taken(crowded([1, 2, 1]), 3)
    expect([refused(table, policy(4)), refused(table, policy(3)), refused(table, policy(0))]).toEqual([undefined, 3, 3])
  })

  it('never without a bound', () => {
    expect(refused(taken(crowded([1, 200]), 3), policy(null))).toBeUndefined()
  })

  it('not as long as there are places for all, unless some stand in line for one', () => {
    const table = taken(crowded([0, 2]), 1)
    expect([refused(table, policy(0)), refused(taken(crowded([0, 3]), 1), policy(0))]).toEqual([undefined, 0])
    table.waiters = 1
    table.sessions.addAsks(1, 1)
    expect(refused(table, policy(0))).toBe(1)
  })

  it('not where requests stand for nobody: who has been served since has left them there', () => {
    const table = taken(crowded([0, 1, 0]), 2)
    table.waiters = 2
    for (const session of [1, 2]) table.sessions.addAsks(session, 1)
    expect(refused(table, policy(0))).toBeUndefined()
    table.sessions.setWaiting(2, 1)
    expect(refused(table, policy(0))).toBe(1)
  })

  it('not in a pool without limit, unless some stand in line', () => {
    const table = crowded([50])
    expect(refused(table, policy(0, null), 0)).toBeUndefined()
    table.waiters = 1
    expect(refused(table, policy(0, null), 0)).toBe(49)
  })

  it('though places are free, while the pool is suspended', () => {
    const table = crowded([2])
    table.set(tableFlag.suspended, true)
    expect(refused(table, policy(1))).toBe(1)
  })

  it('where those for whom a connection is on its way do not count, nor those of a thread that is gone', () => {
    const table = taken(crowded([0, 3, 5], [0, 2, 0]), 3)
    expect(refused(table, policy(1))).toBe(5)
    table.sessions.close(2)
    expect([refused(table, policy(1)), refused(table, policy(0))]).toEqual([undefined, 0])
  })

  it('where those do not count whose place is being opened, from the step that takes it, or is on offer to them', () => {
    const table = crowded([0, 2, 0])
    const [opening, offered] = [0, 1].map(slot => table.step(slot, table.word(slot), 'reserved', 1))
    table.step(0, table.step(0, table.step(0, opening!, 'closing'), 'empty'), 'opening', 1)
    expect(refused(taken(table, 0), policy(0))).toBeUndefined()
    table.step(1, table.step(1, offered!, 'idle'), 'leased', 1)
    table.step(2, table.word(2), 'leased', 0)
    expect(refused(table, policy(0))).toBe(0)
    table.mark(1, slotFlag.offered)
    expect(refused(table, policy(0))).toBeUndefined()
  })

  it('where statements count that wait at the coordinator', () => {
    const table = taken(crowded([1]), 3)
    table.queued = 4
    expect([refused(table, policy(4)), refused(table, policy(5))]).toEqual([4, undefined])
  })
})
