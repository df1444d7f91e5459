import type { SlotState } from '../../src/slots/state.ts'

/** How a slot comes into each state, by allowed steps only. */
export const slotRoads = {
  empty: [],
  opening: ['opening'],
  idle: ['opening', 'idle'],
  reserved: ['opening', 'idle', 'reserved'],
  leased: ['opening', 'leased'],
  returning: ['opening', 'leased', 'returning'],
  closing: ['opening', 'leased', 'closing'],
} as const satisfies Record<SlotState, readonly SlotState[]>

export const slotStates = Object.keys(slotRoads) as SlotState[]
