import { within } from '../base/deadlines.ts'
import { asError, DisconnectionError, TimeoutError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import { ConnectionFairy, type Fairy } from '../fairies/fairy.ts'
import { reasonOf } from '../observe/pool-log.ts'
import { warn } from '../observe/warnings.ts'
import type { Checkout } from './checkout.ts'
import type { Pool } from './pool.ts'
import { type ConnectionRecord, closeQuietly } from './record.ts'
import { StandIn } from './stand-in.ts'

/**
 * The way home of a loan that has ended well; its slot is `returning` already, so nobody else can end it too.
 * Synchronous when nothing is in flight, nothing needs a reset and nobody listens. The slot is freed whatever fails.
 */
export function giveBack<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
): MaybePromise<void> {
  const { events } = pool
  pool.log.debug(named => `${named(record.connection)} being returned by thread ${checkout.borrower.threadId}`)
  const quick = checkout.isQuiet && !needsReset(pool, checkout, record.connection) && !events.has('reset')
  if (quick && !events.has('checkin') && record.finalizeCallbacks.length === 0 && !record.isLost) {
    record.current = undefined
    noteClean(pool, record.connection)
    return pool.returnConnection(record)
  }
  return giveBackSlowly(pool, checkout, record)
}

async function giveBackSlowly<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
): Promise<void> {
  try {
    await checkout.quieten()
    if (record.isLost) throw new DisconnectionError('The connection was lost while it was out.')
    await reset(pool, checkout, record, record.connection)
  } catch (error) {
    // Hidden from the closer: the work was done, and the connection is replaced (behaviours 184, 283).
    pool.log.error('a connection could not be reset and is replaced.', asError(error))
    await dispatchInvalidate(pool, record, error)
    if (record.connection !== undefined && record.state !== 'closing') await record.shut('abrupt')
  }
  await checkin(pool, record)
}

/** The invalidate event where nothing may stop the invalidation: a listener's failure is logged (behaviour 288). */
export async function dispatchInvalidate<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  error: unknown,
): Promise<void> {
  const { connection } = record
  if (connection === undefined) return
  if (pool.events.has('invalidate')) {
    await pool.events.emit('invalidate', connection, record, error).catch(failure => {
      pool.log.error('an invalidate listener failed.', asError(failure))
    })
  }
  pool.log.info(named => `Invalidating ${named(connection)}${reasonOf(error)}`)
}

/** The end of every checkout of a record: callbacks, checkin event, and in any case the record's return (behaviours 121, 285, 286). */
export async function checkin<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): Promise<void> {
  record.current = undefined
  try {
    await record.runFinalizeCallbacks()
    await pool.events.emit('checkin', record.connection, record)
  } finally {
    await pool.returnConnection(record)
  }
}

/** The same for a loan that has ended badly; its slot is `closing` already. */
export async function closeAndCheckin<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): Promise<void> {
  await record.closeConnection('abrupt')
  await checkin(pool, record)
}

function needsReset<C extends object>(pool: Pool<C>, checkout: Checkout<C>, connection: C | undefined): boolean {
  if (connection === undefined || pool.settings.resetOnReturn === 'none') return false
  return checkout.resetAgent !== undefined || pool.needsReset(connection)
}

/** No transaction is open: then there is nothing to end (behaviour 303). */
function noteClean<C extends object>(pool: Pool<C>, connection: C | undefined): void {
  if (pool.settings.resetOnReturn !== 'none') pool.log.debug(named => `${named(connection)} needs no reset`)
}

/** Reset event, then agent or dialect, within `resetTimeoutMs` (behaviours 176-185). */
export async function reset<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C> | undefined,
  connection: C | undefined,
): Promise<void> {
  if (connection === undefined) return
  const timeoutMs = pool.settings.resetTimeoutMs
  const fairy = ConnectionFairy.temporary<C>(new StandIn(checkout, record, connection))
  const work = async (): Promise<void> => {
    await pool.events.emit('reset', fairy, record)
    if (needsReset(pool, checkout, connection)) await endTransaction(pool, checkout, fairy)
    else noteClean(pool, connection)
  }
  await within(work(), timeoutMs, () => {
    return new TimeoutError(`The reset did not end within ${timeoutMs} ms.`, { phase: 'reset', timeoutMs })
  })
}

async function endTransaction<C extends object>(pool: Pool<C>, checkout: Checkout<C>, fairy: Fairy<C>): Promise<void> {
  const mode = pool.settings.resetOnReturn
  const agent = checkout.resetAgent
  if (agent?.isActive === false) {
    warn('FAIRYPOOL_RESET_AGENT', 'The reset agent of a connection is not active; the connection is reset without it.')
  }
  const by = agent && agent.isActive !== false ? agent : undefined
  if (mode !== 'none') {
    pool.log.debug(named => `${named(fairy.connection)} ${mode}-on-return${by ? ', via agent' : ''}`)
  }
  if (mode === 'rollback') await (by ? by.rollback() : pool.dialect.rollback(fairy as unknown as C))
  if (mode === 'commit') await (by ? by.commit() : pool.dialect.commit(fairy as unknown as C))
}

/** The end of a detached connection: reset, then closed whatever the reset did (behaviours 188, 226). */
export async function closeDetached<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  connection: C,
  manner: 'polite' | 'abrupt',
): Promise<void> {
  try {
    if (manner === 'polite') {
      await checkout.quieten()
      await reset(pool, checkout, undefined, connection)
    }
  } catch (error) {
    pool.log.error('a detached connection could not be reset.', asError(error))
  }
  await pool.events.emit('closeDetached', connection).catch(error => {
    pool.log.error('a closeDetached listener failed.', asError(error))
  })
  await closeQuietly(pool, connection, manner)
}
