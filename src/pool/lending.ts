import type { Peek } from '../base/descriptors.ts'
import { DisconnectionError, InvalidatePoolError, InvalidRequestError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import { reasonOf } from '../observe/pool-log.ts'
import { slotFlag } from '../slots/layout.ts'
import { Checkout } from './checkout.ts'
import { getConnection } from './connecting.ts'
import { emitInvalidate } from './invalidating.ts'
import { ping } from './pinging.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'
import type { CheckoutRequest } from './request.ts'

/** How often ping and checkout listeners may find a connection dead before the caller is told (behaviour 209). */
const examinations = 2

/**
 * Lends a record that the pool has claimed for this request; its slot is `leased`, or `opening` when it has no connection.
 * Synchronous when the connection is fresh and nobody wants to examine it. On failure the place is free again.
 */
export function lend<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  request: CheckoutRequest<C>,
): MaybePromise<Checkout<C>> {
  const unread = (pool.handsOver && record.attendance?.unread) || 'quiet'
  if (unread === 'closed') pool.slots.mark(record.slot, slotFlag.lost)
  const ready = record.connection !== undefined && record.staleness === undefined && !isExamined(pool, record)
  if (!ready || unread !== 'quiet' || request.patience.gone || !isReady(pool, record, request)) {
    return lendSlowly(pool, record, request, unread)
  }
  return begin(pool, record, request)
}

const isDirect = <C extends object>({ handsOver, slots }: Pool<C>, { borrower }: CheckoutRequest<C>): boolean =>
  handsOver && slots.sessions.isDirect(borrower.session)

/** Before a thread may read by itself, this one must have stopped. */
function isReady<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>, request: CheckoutRequest<C>): boolean {
  if (isDirect(pool, request)) return record.attendance?.end() !== false
  record.attendance?.begin()
  return true
}

const isExamined = <C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): boolean =>
  pool.events.has('checkout') || (pool.settings.prePing && !record.fresh)

function begin<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>, request: CheckoutRequest<C>): Checkout<C> {
  const { borrower, trace } = request
  record.fresh = false
  pool.slots.unmark(record.slot, slotFlag.offered)
  pool.log.debug(named => `${named(record.connection)} checked out by thread ${borrower.threadId}`)
  // Another thread keeps the process alive by itself as long as it runs, and may give back without a word.
  pool.dialect.keepAlive?.(record.connection!, borrower.session === 0)
  if (borrower.session !== 0) record.assess()
  return new Checkout(pool, record, borrower, trace)
}

async function lendSlowly<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  request: CheckoutRequest<C>,
  unread: Peek,
): Promise<Checkout<C>> {
  request.served?.(true)
  // Once more where several hold the record, and another has had its connection closed just now.
  do await connectWithin(pool, record, request)
  while (record.state !== 'leased')
  noteFresh(pool, record)
  // What has been said to an idle connection may be that it is being closed.
  const isDoubtful = unread === 'talking' && !record.fresh
  if (!isDoubtful && !isExamined(pool, record)) {
    if (isDirect(pool, request))
      await orGiveBack(pool, record, request, record.attendance?.settle() ?? Promise.resolve())
    return begin(pool, record, request)
  }
  record.attendance?.begin()
  const isFresh = record.fresh
  const checkout = begin(pool, record, request)
  record.fresh = isFresh
  await verify(pool, checkout, record, request, isDoubtful)
  // Ended by somebody meanwhile: what the record has now is none of this caller's business.
  if (!checkout.isValid) return checkout
  if (isDirect(pool, request)) await settleFor(checkout, record, request)
  if (request.borrower.session !== 0) record.assess()
  return checkout
}

/** A listener may have left something under way that the borrower must not meet. */
async function settleFor<C extends object>(
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
  { patience }: CheckoutRequest<C>,
): Promise<void> {
  const settled = record.attendance?.settle() ?? Promise.resolve()
  await patience.within(settled).catch(async error => {
    await checkout.fail(error)
    throw error
  })
}

/** A good connection in the record, or the caller's end; then the connection, once open, comes home for someone else (fault 5). */
function connectWithin<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  request: CheckoutRequest<C>,
): Promise<void> {
  request.phase = 'connect'
  return orGiveBack(pool, record, request, getConnection(pool, record, request.borrower.session))
}

/** `work` that leaves a good connection in the record; should the caller leave meanwhile, the connection then comes home. */
function orGiveBack<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  { patience }: CheckoutRequest<C>,
  work: Promise<void>,
): Promise<void> {
  return patience.within(work, () => {
    work.then(
      () => {
        record.become('returning')
        return pool.returnConnection(record)
      },
      () => {},
    )
  })
}

/** Ping and checkout listeners, until they are content; a connection they find dead is replaced in place (behaviours 204-217). */
async function verify<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
  request: CheckoutRequest<C>,
  isDoubtful: boolean,
): Promise<void> {
  for (let left = examinations; left > 0; left--) {
    const failure = await examine(pool, checkout, record, request, isDoubtful)
    if (failure === undefined) return
    if (!(failure.error instanceof DisconnectionError) || request.patience.gone) {
      await checkout.fail(failure.error)
      throw failure.error
    }
    // Somebody has ended the loan meanwhile: its record has gone home, and may be another's by now. The caller gets a dead fairy,
    // as if it had happened a moment later (behaviours 218, 219).
    if (!checkout.isValid || !(await replace(pool, checkout, record, request, failure.error))) return
  }
  pool.log.info(() => 'Reconnection attempts exhausted on checkout')
  await checkout.fail(undefined)
  throw new InvalidRequestError(
    `${examinations} connections in a row were found dead at checkout; the database may be restarting.`,
  )
}

async function examine<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
  request: CheckoutRequest<C>,
  isDoubtful: boolean,
): Promise<{ readonly error: unknown } | undefined> {
  const connection = record.connection
  if (connection === undefined) return { error: new InvalidRequestError('This connection is closed.') }
  try {
    if ((pool.settings.prePing || isDoubtful) && !record.fresh) {
      request.phase = 'ping'
      if (!(await request.patience.within(ping(pool, record, connection)))) {
        pool.log.debug(named => `${named(connection)} did not answer a ping`)
        return { error: new InvalidatePoolError('The connection did not answer a ping.') }
      }
    }
    record.fresh = false
    request.phase = 'checkout'
    await request.patience.within(pool.events.emit('checkout', connection, record, request.fairyFor(checkout)))
    return undefined
  } catch (error) {
    return { error }
  }
}

/** Opened for this very checkout: then there is nothing to ping (behaviours 166, 303). */
function noteFresh<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): void {
  if (pool.settings.prePing && record.fresh) pool.log.debug(named => `${named(record.connection)} is fresh, not pinged`)
}

/**
 * Closes the dead connection, so that the same record can have a new one; if a listener fails, the checkout has failed.
 * False: somebody has ended the loan while the listeners ran, and closed it.
 */
async function empty<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
  error: DisconnectionError,
): Promise<boolean> {
  const { connection } = record
  try {
    if (connection && checkout.tenure.isPresent) {
      await emitInvalidate(pool, record, connection, error)
    }
  } catch (failure) {
    await checkout.fail(failure, 'announced')
    throw failure
  }
  if (!checkout.isValid) return false
  // Until it has a new connection there is no loan to be invalidated.
  record.current = undefined
  if (!checkout.tenure.isSeat) await record.shut('abrupt')
  else if (checkout.tenure.takeRecord()) await record.closeConnection('abrupt')
  else await pool.closed(record)
  return true
}

/** The same record and fairy, a new connection, a new lease number. False: the loan is over. */
async function replace<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
  request: CheckoutRequest<C>,
  error: DisconnectionError,
): Promise<boolean> {
  const which = error.invalidatePool ? 'all connections opened before now' : 'this one'
  pool.log.info(
    named =>
      `Disconnection of ${named(record.connection)} detected on checkout, invalidating ${which}${reasonOf(error)}`,
  )
  if (!(await empty(pool, checkout, record, error))) return false
  if (error.invalidatePool) pool.condemn(checkout.generation)
  record.reopen(request.borrower.session)
  try {
    await connectWithin(pool, record, request)
  } catch (failure) {
    checkout.lost()
    throw failure
  }
  checkout.rebind(record)
  noteFresh(pool, record)
  return true
}
