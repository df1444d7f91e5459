/** Where things stand in the table's Int32 words. A change here is a change of `layoutVersion`. */
export const layoutVersion = 1

/** The header: one word each. Ticks are compared by signed difference, so they may wrap. */
export const header = {
  version: 0,
  /** Slots in the table now. */
  capacity: 1,
  /** Callers waiting at the coordinator. Only the coordinator writes it, so no death can leave it wrong. */
  waiters: 2,
  /** The invalidation clock: advanced by every open and every invalidation. */
  clock: 3,
  /** The clock's reading at the last invalidation of the whole pool; 0: never. */
  invalidation: 4,
  /** Counts returns: the order of the idle. */
  returns: 5,
  flags: 6,
} as const

/** Words of the header. */
export const headerWords = 16

/** A slot's row, as offsets from its first word. */
export const row = {
  /** State, holder, lease number: the one word that is compared and set. */
  word: 0,
  /** The clock's reading when the present connection began to open. */
  opened: 1,
  /** The monotonic time of that moment: whole seconds, and milliseconds above them. */
  openedSeconds: 2,
  openedMs: 3,
  /** The count of returns at the last return. */
  returned: 4,
  flags: 5,
} as const

/** Words of a slot's row. */
export const rowWords = 8

/** Flags of the header. */
export const tableFlag = {
  /** `close()` needs no answer: no checkin or reset listener wants to see it, or to fail it. */
  fastCheckin: 1,
} as const

/** Flags of a slot. */
export const slotFlag = {
  /** Softly invalidated: replace it at its next checkout. Opening clears it. */
  stale: 1,
} as const
