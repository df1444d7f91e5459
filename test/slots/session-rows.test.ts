import { describe, expect, it } from 'vitest'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { maxSession } from '../../src/slots/state.ts'

describe("a session's row", () => {
  it("is nobody's until a thread has attached under its number, and again when that has gone", () => {
    const { sessions } = SlotTable.create(1)
    expect([sessions.isOpen(3), sessions.last, sessions.count]).toEqual([false, 0, 0])
    sessions.open(3, 77)
    expect([sessions.isOpen(3), sessions.threadId(3), sessions.last, sessions.count]).toEqual([true, 77, 3, 1])
    sessions.open(1, 78)
    expect([sessions.last, sessions.count]).toEqual([3, 2])
    sessions.close(3)
    expect([sessions.isOpen(3), sessions.last, sessions.count]).toEqual([false, 3, 1])
  })

  it('entitles to what comes free only one whose callers wait, and of whom the coordinator knows it', () => {
    const { sessions } = SlotTable.create(1)
    sessions.open(2, 1)
    sessions.setWaiting(2, 5)
    expect(sessions.isEntitled(2)).toBe(false)
    sessions.addAsks(2, 1)
    expect(sessions.isEntitled(2)).toBe(true)
    sessions.setWaiting(2, 0)
    expect(sessions.isEntitled(2)).toBe(false)
    sessions.setWaiting(2, 1)
    sessions.addAsks(2, -1)
    expect(sessions.isEntitled(2)).toBe(false)
    expect(sessions.waiting(2)).toBe(1)
  })

  it('entitles to nothing once it is closed, whatever its thread still says', () => {
    const { sessions } = SlotTable.create(1)
    sessions.open(2, 1)
    sessions.addAsks(2, 3)
    sessions.setWaiting(2, 3)
    sessions.close(2)
    sessions.setWaiting(2, 4)
    expect(sessions.isEntitled(2)).toBe(false)
  })

  it('begins anew for the next thread of the same number: nothing of the last one sticks to it', () => {
    const { sessions } = SlotTable.create(1)
    sessions.open(2, 1)
    sessions.addAsks(2, 3)
    sessions.setWaiting(2, 3)
    sessions.setServed(2, 1)
    expect(sessions.served(2)).toBe(1)
    sessions.close(2)
    sessions.open(2, 9)
    expect([sessions.threadId(2), sessions.waiting(2), sessions.isEntitled(2)]).toEqual([9, 0, false])
    expect(sessions.served(2)).toBe(0)
    sessions.setWaiting(2, 1)
    expect(sessions.isEntitled(2)).toBe(false)
  })

  it('is apart from all others and from the slots, from the first number to the last', () => {
    const table = SlotTable.create(2)
    const { sessions } = table
    const words = [table.word(0), table.word(1)]
    for (let session = 0; session <= maxSession; session++) {
      sessions.open(session, 1000 + session)
      sessions.addAsks(session, session)
      sessions.setWaiting(session, 2 * session)
    }
    for (let session = 0; session <= maxSession; session++) {
      expect([sessions.threadId(session), sessions.waiting(session)]).toEqual([1000 + session, 2 * session])
      expect([sessions.isOpen(session), sessions.isEntitled(session)]).toEqual([true, session > 0])
    }
    expect([table.word(0), table.word(1), table.waiters, table.capacity]).toEqual([...words, 0, 2])
    expect([sessions.count, sessions.last]).toEqual([maxSession + 1, maxSession])
  })

  it('moves with its table to shared memory, and is seen there by every thread', () => {
    const table = SlotTable.create(1)
    table.sessions.open(2, 55)
    const other = SlotTable.attach(table.share())
    expect([table.sessions.threadId(2), other.sessions.threadId(2)]).toEqual([55, 55])
    other.sessions.setWaiting(2, 4)
    table.sessions.addAsks(2, 1)
    expect([table.sessions.waiting(2), other.sessions.isEntitled(2)]).toEqual([4, true])
  })
})
