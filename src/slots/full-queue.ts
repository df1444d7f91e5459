import { QueueFullError } from '../base/errors.ts'
import { tableFlag } from './layout.ts'
import { placesInUse } from './places.ts'
import type { SlotTable } from './slot-table.ts'

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
  policy: QueuePolicy,
  verb: 'connect' | 'query',
): QueueFullError | undefined {
  const { maxWaiters } = policy
  if (maxWaiters === null) return undefined
  const waiting = waitingIn(table) - freeIn(table, policy)
  if (waiting <= maxWaiters) return undefined
  const why = table.has(tableFlag.suspended) ? ' The pool is suspended.' : ''
  const message = `${verb}() was refused: ${waiting - 1} callers wait for a connection already, and maxWaiters is ${maxWaiters}.${why}`
  return new QueueFullError(message, { waiting: waiting - 1, maxWaiters })
}

/** Callers and statements that wait in all threads. Those for whom a connection is being opened do not. */
function waitingIn(table: SlotTable): number {
  const { sessions } = table
  let waiting = table.queued
  for (let session = 0, { last } = sessions; session <= last; session++) {
    if (sessions.isOpen(session)) waiting += Math.max(0, sessions.waiting(session) - sessions.served(session))
  }
  return waiting
}

/** Places that are there for the asking: so many of those who wait only wait for an answer. None, where some stand in line for one. */
function freeIn(table: SlotTable, { limit }: QueuePolicy): number {
  if (table.waiters > 0 || table.has(tableFlag.suspended)) return 0
  return limit === null ? Number.POSITIVE_INFINITY : limit - placesInUse(table)
}
