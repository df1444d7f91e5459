import { QueueFullError } from '../base/errors.ts'
import { othersWait } from './fair-share.ts'
import { tableFlag } from './layout.ts'
import { isOnOffer } from './places.ts'
import type { SlotTable } from './slot-table.ts'
import { isTaken, maxSession, sessionOf, stateOf } from './state.ts'

/** What of the pool's policy says how many may wait. */
export interface QueuePolicy {
  /** null: as many as want to. */
  readonly maxWaiters: number | null
  /** The most connections that the pool can have; null: no limit. */
  readonly limit: number | null
}

/**
 * What a caller is told who has just come to wait, and is one too many: callers of all threads are counted, and he as well. He has
 * to have said so in the table before he counts: of two who come at the same moment, each sees the other, so that never more wait
 * than may. Both may be refused then, where there was room for one.
 */
export function fullQueue(
  table: SlotTable,
  session: number,
  policy: QueuePolicy,
  verb: 'connect' | 'query',
): QueueFullError | undefined {
  const { maxWaiters } = policy
  if (maxWaiters === null) return undefined
  const waiting = waitingBeyondFree(table, session, policy)
  if (waiting <= maxWaiters) return undefined
  const why = table.has(tableFlag.suspended) ? ' The pool is suspended.' : ''
  const message = `${verb}() was refused: ${waiting - 1} callers wait for a connection already, and maxWaiters is ${maxWaiters}.${why}`
  return new QueueFullError(message, { waiting: waiting - 1, maxWaiters })
}

/** What the coordinator says, and what the slots say, of connections that are made ready for a session. Filled and read within one call. */
const served = new Int32Array(maxSession + 1)
const onTheirWay = new Int32Array(maxSession + 1)

/**
 * Callers and statements that wait in all threads, less the places that are free for the asking: so many of them only wait for an
 * answer. Those do not count for whom a connection is being opened, or is on offer. Each slot is read once, and after what the
 * coordinator says of it, which it says later: so each place is either free or taken for somebody, and never neither.
 */
function waitingBeyondFree(table: SlotTable, session: number, { limit }: QueuePolicy): number {
  const { sessions } = table
  const { last } = sessions
  const hasLine = isLineBefore(table, session) || table.has(tableFlag.suspended)
  for (let each = 0; each <= last; each++) served[each] = sessions.served(each)
  const inUse = countSlots(table, last)
  let waiting = table.queued
  for (let each = 0; each <= last; each++) {
    if (!sessions.isOpen(each)) continue
    // The coordinator's own have left their queue by then.
    const gone = each === 0 ? 0 : Math.max(served[each]!, onTheirWay[each]!)
    waiting += Math.max(0, sessions.waiting(each) - gone)
  }
  if (hasLine) return waiting
  return limit === null ? Number.NEGATIVE_INFINITY : waiting - (limit - inUse)
}

/** How many are in use. Those that are opened for a session, or on offer to it, are counted by session. */
function countSlots(table: SlotTable, last: number): number {
  onTheirWay.fill(0, 0, last + 1)
  let inUse = 0
  for (let slot = 0, slots = table.capacity; slot < slots; slot++) {
    const word = table.word(slot)
    if (isTaken(word)) inUse++
    if (isOnOffer(table, slot, word) || stateOf(word) === 'opening') onTheirWay[sessionOf(word)]!++
  }
  return inUse
}

/** True when others stand in line for a place, who came before the last of this thread's callers. A request may stand there for nobody. */
function isLineBefore(table: SlotTable, session: number): boolean {
  if (session === 0) return table.waiters > 0
  return othersWait(table, session) || (table.sessions.isEntitled(session) && table.sessions.waiting(session) > 1)
}
