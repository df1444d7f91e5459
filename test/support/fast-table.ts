import { FastLane, type LanePolicy } from '../../src/slots/fast-lane.ts'
import { tableFlag } from '../../src/slots/layout.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'

/** A table with so many idle slots, home in the order of their numbers, that threads may lend to themselves. */
export function fastTable(slots: number): SlotTable {
  const table = SlotTable.create(slots)
  table.set(tableFlag.fastCheckout, true)
  table.sessions.open(0, 100)
  for (let slot = 0; slot < slots; slot++) {
    const word = table.step(slot, table.word(slot), 'opening', 0)
    table.stampOpening(slot, performance.timeOrigin)
    table.stampReturn(slot)
    table.step(slot, word, 'idle')
  }
  return table
}

/** The same as another thread sees it. */
export const threadsTable = (slots: number): SlotTable => SlotTable.attach(fastTable(slots).share())

/** A thread's lane, attached under this number. */
export function laneOf(table: SlotTable, session: number, policy: Partial<LanePolicy> = {}): FastLane {
  if (session > 0) table.sessions.open(session, 100 + session)
  return new FastLane(table, session, { useLifo: false, recycleMs: -1, ...policy })
}

/** The coordinator's part of a wait: it has so many requests of this session, whose callers wait. */
export function waits(table: SlotTable, session: number, asks = 1, waiting = asks): void {
  table.waiters += asks
  table.sessions.addAsks(session, asks)
  table.sessions.setWaiting(session, waiting)
}

/** Nobody of this session waits any more. */
export function waitsNoMore(table: SlotTable, session: number, asks = 1): void {
  table.waiters -= asks
  table.sessions.addAsks(session, -asks)
  table.sessions.setWaiting(session, 0)
}
