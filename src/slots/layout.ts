/** Where things stand in the table's Int32 words. A change here is a change of `layoutVersion`. */
export const layoutVersion = 7

/**
 * Words of a cache line. What different threads write stands in different lines, and what changes seldom in another one than
 * what changes at every return: else each write takes the line from all that only read.
 */
const line = 16

/** The header: one word each. Ticks are compared by signed difference, so they may wrap. */
export const header = {
  version: 0,
  /** Slots in the table now. */
  capacity: 1,
  /** Requests waiting at the coordinator. Only the coordinator writes it, so no death can leave it wrong. */
  waiters: 2,
  /** The invalidation clock: advanced by every open and every invalidation. */
  clock: 3,
  /** The clock's reading at the last invalidation of the whole pool; 0: never. */
  invalidation: 4,
  flags: 5,
  /** The highest session number that has been given out: rows beyond it are nobody's. */
  sessions: 6,
  /** Statements that wait at the coordinator, and for which no request stands in its queue. Coordinator only. */
  queued: 7,
  /** Counts returns: the order of the idle. */
  returns: line,
  /** Counts callers who had to wait, in all threads: the order in which they came. */
  arrivals: line + 1,
} as const

/** Words of the header. */
export const headerWords: number = 2 * line

/** A session's row, as offsets from its first word. Row 0 is the coordinator's own thread. */
export const sessionRow = {
  /** 1 as long as the session may claim. */
  open: 0,
  threadId: 1,
  /** Its requests that wait at the coordinator. Coordinator only. */
  asks: 2,
  /** Its callers that wait, in its own queue. Written by the thread itself; without an ask it concerns nobody else. */
  waiting: 3,
  /** 1 when the thread runs the driver itself (transport `direct`). Written by the thread, before its first claim. */
  direct: 4,
  /** Its asks that stand in no queue any more: a connection is being opened or examined for them. Coordinator only. */
  served: 5,
  /** When the first of its callers came, by the count of arrivals. Written by the thread itself. */
  since: 6,
  /** How often its bell has rung. Whoever rings adds one. */
  rings: 7,
  /** How much of that it has heard. Written by the thread itself. */
  heard: 8,
  /** Those of its callers that wait who stand in its queue for a connection: statements may wait as well. Written by the thread itself. */
  inLine: 9,
} as const

/** Words of a session's row. */
export const sessionRowWords = line

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
  /** Until when its last holder is likely to want it again: monotonic milliseconds, their lower 32 bits. */
  wanted: 6,
  /** Since when the lease of `sinceWord` has been out: monotonic milliseconds, their lower 32 bits. See `LeaseNotes`. */
  since: 7,
  sinceWord: 8,
  /** The word of the last lease that was taken away for lasting too long (`maxLeaseMs`). */
  takenWord: 9,
} as const

/** Words of a slot's row. */
export const rowWords = line

/** Flags of the header. Coordinator only. */
export const tableFlag = {
  /** A thread may lend an idle slot to itself: nobody wants to see the checkout, or to examine the connection. */
  fastCheckout: 1,
  /** `close()` needs no answer: no checkin or reset listener wants to see it, or to fail it. */
  fastCheckin: 2,
  /** Somebody observes every lease: none may begin or end without the coordinator. */
  watched: 4,
  /** There are more records than the pool keeps: the coordinator decides at each return which is one too many. */
  overflowing: 8,
  /** Connections are pinged before they are lent: only a thread that can look at them itself may lend to itself. */
  pinged: 16,
  /** Nobody gets a connection before the pool is resumed. */
  suspended: 32,
} as const

/** Flags of a slot. */
export const slotFlag = {
  /** Softly invalidated: replace it at its next checkout. Opening clears it. */
  stale: 1,
  /** The driver says that the connection is gone. Opening clears it. */
  lost: 2,
  /** Its return is the coordinator's business: a transaction may be open, a result stays, a callback waits. */
  slow: 4,
  /** Made before the last `dispose()`: it is closed when it comes home. Only a new record clears it. */
  retiring: 8,
  /** On offer to a thread that has not accepted it yet: the coordinator can take it back. */
  offered: 16,
  /** Lent to statements of `pool.query()`, not to a caller: it comes home by itself. Their thread raises and lowers it; opening clears it. */
  statements: 32,
} as const
