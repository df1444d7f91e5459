import { slotFlag } from './layout.ts'
import type { SlotTable } from './slot-table.ts'
import { isLeased, isTaken, sessionOf } from './state.ts'

/** How many of a table's places are taken: neither free nor idle. */
export function placesInUse(table: SlotTable): number {
  let inUse = 0
  for (let slot = 0, slots = table.capacity; slot < slots; slot++) if (isTaken(table.word(slot))) inUse++
  return inUse
}

/** True when a connection could be opened. */
export function isAnyPlaceEmpty(table: SlotTable): boolean {
  for (let slot = 0, slots = table.capacity; slot < slots; slot++) if (table.state(slot) === 'empty') return true
  return false
}

/** True when a slot with this word has been lent to a thread that has not accepted it. */
export const isOnOffer = (table: SlotTable, slot: number, word: number): boolean =>
  isLeased(word) && table.isMarked(slot, slotFlag.offered)

/** True when a connection is on offer to this session that it has not accepted. */
export function isAnyOffered(table: SlotTable, session: number): boolean {
  for (let slot = 0, slots = table.capacity; slot < slots; slot++) {
    const word = table.word(slot)
    if (sessionOf(word) === session && isOnOffer(table, slot, word)) return true
  }
  return false
}
