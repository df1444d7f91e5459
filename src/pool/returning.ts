import { within } from '../base/deadlines.ts'
import { asError, DisconnectionError, TimeoutError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import { ConnectionFairy, type Fairy } from '../fairies/fairy.ts'
import { reasonOf } from '../observe/pool-log.ts'
import { warn } from '../observe/warnings.ts'
import { slotFlag } from '../slots/layout.ts'
import type { Checkout } from './checkout.ts'
import { closeQuietly } from './closing.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'
import { StandIn } from './stand-in.ts'

/**
 * The way home of a loan that has ended well; its slot is `returning` already, so nobody else can end it too.
 * Synchronous when nothing is in flight, nothing needs a reset and nobody listens. The slot is freed whatever fails.
 * Of several loans of one record each comes home this way, even one whose connection another has had closed (behaviour 72).
 */
export function giveBack<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
): MaybePromise<void> {
  const { events } = pool
  const connection = checkout.tenure.isPresent ? record.connection : checkout.lent
  pool.log.debug(named => `${named(connection)} being returned by thread ${checkout.borrower.threadId}`)
  const quick = checkout.isQuiet && !needsReset(pool, checkout, connection) && !events.has('reset')
  if (quick && !events.has('checkin') && record.finalizeCallbacks.length === 0 && !record.isLost) {
    record.current = undefined
    noteClean(pool, connection)
    return pool.returnConnection(record, checkout)
  }
  return giveBackSlowly(pool, checkout, record, connection)
}

async function giveBackSlowly<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
  connection: C | undefined,
): Promise<void> {
  try {
    await checkout.quieten()
    record.attendance?.begin()
    if (checkout.tenure.isPresent && record.isLost)
      throw new DisconnectionError('The connection was lost while it was out.')
    await reset(pool, checkout, record, connection)
  } catch (error) {
    // Hidden from the closer: the work was done, and the connection is replaced (behaviours 184, 283).
    pool.log.error('a connection could not be reset and is replaced.', asError(error))
    await replaceBroken(pool, checkout, record, error)
  }
  await checkin(pool, record, checkout)
}

async function replaceBroken<C extends object>(
  pool: Pool<C>,
  { tenure }: Checkout<C>,
  record: ConnectionRecord<C>,
  error: unknown,
): Promise<void> {
  // Of several who find the same connection broken, one closes it.
  if (tenure.isSeat && !tenure.takeRecord()) return
  await dispatchInvalidate(pool, record, error)
  if (tenure.isSeat) await record.closeConnection('abrupt')
  else if (record.connection !== undefined && record.state !== 'closing') await record.shut('abrupt')
}

/** The invalidate event where a failing listener stops the invalidation; once for a connection, however many loans of it there are. */
export function announceInvalidation<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
  connection: C,
  error: unknown,
): Promise<void> | undefined {
  // Another holder is at it: whether the connection lives on is decided there.
  const again = (): Promise<void> | undefined => announceInvalidation(pool, checkout, record, connection, error)
  if (record.announcing) return record.announcing.then(again, again)
  if (!checkout.isValid || !checkout.tenure.isPresent) return undefined
  const log = (): void => pool.log.info(named => `Invalidating ${named(connection)}${reasonOf(error)}`)
  if (!pool.events.has('invalidate')) {
    log()
    return undefined
  }
  const announcing = pool.events.emit('invalidate', connection, record, error).then(log)
  const done = (): void => {
    record.announcing = undefined
  }
  record.announcing = announcing
  announcing.then(done, done)
  return announcing
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

/**
 * The end of every checkout of a record: callbacks, checkin event, and in any case the record's return (behaviours 121, 285, 286).
 * Without a checkout it is an open that has failed.
 */
export async function checkin<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  checkout?: Checkout<C>,
): Promise<void> {
  record.current = undefined
  const isPresent = checkout === undefined || checkout.tenure.isPresent
  if (isPresent) record.attendance?.begin()
  try {
    if (isPresent) await runFinalizeCallbacks(pool, record)
    await pool.events.emit('checkin', isPresent ? record.connection : undefined, record)
  } finally {
    if (pool.handsOver && isPresent) await settle(pool, record)
    await pool.returnConnection(record, checkout)
  }
}

/** Listeners may have left something under way. With that a connection can't be lent: what does not end is replaced. */
async function settle<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): Promise<void> {
  const late = (): void => pool.slots.mark(record.slot, slotFlag.lost)
  if (record.attendance === undefined) return
  await within(record.attendance.settle(), pool.settings.resetTimeoutMs, () => new Error('late')).catch(late)
}

/** Last one first; one that fails is logged and stops nothing (behaviour 244). */
async function runFinalizeCallbacks<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): Promise<void> {
  const { finalizeCallbacks } = record
  for (let callback = finalizeCallbacks.pop(); callback; callback = finalizeCallbacks.pop()) {
    try {
      if (record.connection !== undefined) await callback(record.connection)
    } catch (error) {
      pool.log.error('a finalize callback failed.', asError(error))
    }
  }
}

/** The same for a loan that has ended badly; its slot is `closing` already. `announced`: the invalidate event comes first. */
export async function closeAndCheckin<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  checkout: Checkout<C>,
  announced?: { readonly error: unknown },
): Promise<void> {
  if (checkout.tenure.closes) {
    if (announced) await dispatchInvalidate(pool, record, announced.error)
    await record.closeConnection('abrupt')
  }
  await checkin(pool, record, checkout)
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
