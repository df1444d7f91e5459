import { closeQuietly } from './closing.ts'
import { emitInvalidate } from './invalidating.ts'
import { open } from './opening.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'
import { checkin } from './returning.ts'

/** Why a connection is replaced before it is lent. */
const recycling = {
  lost: 'was lost while it was idle',
  age: 'exceeded its age',
  'pool invalidated': 'was opened before the pool was invalidated',
  'soft mark': 'was softly invalidated',
} as const

/**
 * Leaves the record `leased` with a connection that is not stale (behaviours 106-109). A new record is checked once more after
 * its open, for it may have been condemned meanwhile; a reopened one is not (109), or a steady invalidator could keep it busy for ever.
 */
export async function getConnection<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  session: number,
): Promise<void> {
  if (record.state === 'closing') await pool.closed(record)
  if (record.state === 'empty') record.become('opening', session)
  if (record.state === 'opening') {
    const isNew = record.openings === 0
    await openOrReturn(pool, record, session)
    if (!isNew) return
  }
  const { staleness } = record
  if (staleness === undefined) return
  pool.log.info(named => `${named(record.connection)} ${recycling[staleness]}; recycling`)
  await record.shut('abrupt')
  record.reopen(session)
  await openOrReturn(pool, record, session)
}

/** Opens; on failure a new record is dropped without a trace (278, 280), an old one comes home empty (279, 281). */
async function openOrReturn<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  session: number,
): Promise<void> {
  const isNew = record.openings === 0
  try {
    await open(pool, record)
  } catch (error) {
    await failedOpen(pool, record, error, isNew)
    throw error
  }
  record.openings++
  record.become('leased', session)
}

async function failedOpen<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  error: unknown,
  isNew: boolean,
): Promise<void> {
  const { connection } = record
  try {
    if (connection !== undefined && !isNew) {
      await emitInvalidate(pool, record, connection, error)
    }
  } finally {
    if (isNew) await closeUnannounced(pool, record)
    else await record.shut('abrupt')
    if (isNew) pool.discard(record)
    else await checkin(pool, record)
  }
}

/** Closes a connection that nobody has been told of: a connect listener refused it (behaviour 280). */
async function closeUnannounced<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): Promise<void> {
  const { connection } = record
  record.connection = undefined
  record.become('closing')
  if (connection !== undefined) await closeQuietly(pool, connection, 'abrupt')
}
