import { reasonOf } from '../observe/pool-log.ts'
import { slotFlag } from '../slots/layout.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'

/** The invalidate event, then its line in the log. A listener that fails stops both, and what would have followed. */
export async function emitInvalidate<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  connection: C,
  error: unknown,
): Promise<void> {
  await pool.events.emit('invalidate', connection, record, error)
  pool.log.info(named => `Invalidating ${named(connection)}${reasonOf(error)}`)
}

/** The connection stays with whoever has it, and is replaced at its next checkout (behaviours 116, 136). */
export async function invalidateSoftly<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  connection: C,
  error: unknown,
): Promise<void> {
  await pool.events.emit('softInvalidate', connection, record, error)
  pool.log.info(named => `Softly invalidating ${named(connection)}${reasonOf(error)}`)
  pool.slots.mark(record.slot, slotFlag.stale)
}
