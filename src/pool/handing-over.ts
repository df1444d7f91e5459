import { slotFlag } from '../slots/layout.ts'
import { isIdle, isLeased, sessionOf } from '../slots/state.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'

/** Why no thread can run the driver itself on this pool's connections; undefined: one that is able to, may. */
export function obstacleToHandover<C extends object>(pool: Pool<C>): string | undefined {
  const { settings, dialect, creator, lendsApart } = pool
  if (settings.transport === 'remote') return 'the pool was told to use remote'
  if (creator !== undefined) return 'the pool has a creator of its own'
  if (!lendsApart) return 'the pool lends one connection to several at a time'
  if (dialect.handover === undefined) return `the dialect '${dialect.name}' can't hand connections over`
  return dialect.handover.obstacle
}

/** Before a connection is idle. With something still under way it can be nobody's: it is replaced at its next checkout. */
export function restOrLose<C extends object>(pool: Pool<C>, { slot, attendance }: ConnectionRecord<C>): void {
  if (attendance?.end() === false) pool.slots.mark(slot, slotFlag.lost)
}

/**
 * From now on other threads may read from connections that they hold, so this one reads only while it holds one itself: not from
 * the idle, and not from what a thread may return by itself. Idempotent.
 */
export function beginHandovers<C extends object>(pool: Pool<C>): void {
  if (pool.handsOver) return
  pool.handsOver = true
  for (const record of pool.records) {
    const word = pool.slots.word(record.slot)
    if (isIdle(word)) restOrLose(pool, record)
    // It is read from here for another thread. Should that return it at this very moment, the next `offer()` stops the reading.
    else if (isLeased(word) && sessionOf(word) !== 0) pool.slots.mark(record.slot, slotFlag.slow)
  }
}
