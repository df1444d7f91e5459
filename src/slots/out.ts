import type { HolderUse } from '../base/holder.ts'
import { slotFlag } from './layout.ts'
import type { SlotTable } from './slot-table.ts'
import { sessionOf, stateOf } from './state.ts'

/** A slot that is lent, or on its way to or from a borrower. */
export interface Out {
  readonly slot: number
  readonly word: number
  readonly session: number
  readonly use: HolderUse
}

/** All slots that are out; a snapshot that other threads may outdate while it is taken. */
export function outOf(table: SlotTable): Out[] {
  const out: Out[] = []
  for (let slot = 0, { capacity } = table; slot < capacity; slot++) {
    const word = table.word(slot)
    const use = useOf(table, slot, word)
    if (use !== undefined) out.push({ slot, word, session: sessionOf(word), use })
  }
  return out
}

function useOf(table: SlotTable, slot: number, word: number): HolderUse | undefined {
  const state = stateOf(word)
  if (state === 'opening' || state === 'returning') return state
  if (state !== 'leased') return undefined
  return table.isMarked(slot, slotFlag.statements) ? 'query' : 'connect'
}
