import { DisconnectionError, InvalidatePoolError, InvalidRequestError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import { reasonOf } from '../observe/pool-log.ts'
import { slotFlag } from '../slots/layout.ts'
import { Checkout } from './checkout.ts'
import { closeQuietly } from './closing.ts'
import { open } from './opening.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'
import type { CheckoutRequest } from './request.ts'
import { checkin } from './returning.ts'

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
  const ready = record.connection !== undefined && record.staleness === undefined && !isExamined(pool, record)
  if (!ready || request.patience.gone) return lendSlowly(pool, record, request)
  return begin(pool, record, request)
}

/** Why a connection is replaced before it is lent. */
const recycling = {
  lost: 'was lost while it was idle',
  age: 'exceeded its age',
  'pool invalidated': 'was opened before the pool was invalidated',
  'soft mark': 'was softly invalidated',
} as const

const isExamined = <C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): boolean =>
  pool.events.has('checkout') || (pool.settings.prePing && !record.fresh)

function begin<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>, request: CheckoutRequest<C>): Checkout<C> {
  const { borrower, trace } = request
  record.fresh = false
  pool.slots.unmark(record.slot, slotFlag.offered)
  pool.log.debug(named => `${named(record.connection)} checked out by thread ${borrower.threadId}`)
  // Another thread keeps the process alive by itself as long as it runs.
  if (borrower.session === 0) pool.dialect.keepAlive?.(record.connection!, true)
  else record.assess()
  return new Checkout(pool, record, borrower, trace)
}

async function lendSlowly<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  request: CheckoutRequest<C>,
): Promise<Checkout<C>> {
  // Once more where several hold the record, and another has had its connection closed at this moment.
  do await connectWithin(pool, record, request)
  while (record.state !== 'leased')
  noteFresh(pool, record)
  if (!isExamined(pool, record)) return begin(pool, record, request)
  const isFresh = record.fresh
  const checkout = begin(pool, record, request)
  record.fresh = isFresh
  await verify(pool, checkout, record, request)
  if (request.borrower.session !== 0) record.assess()
  return checkout
}

/** A good connection in the record, or the caller's end; then the connection, once open, comes home for someone else (fault 5). */
function connectWithin<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  request: CheckoutRequest<C>,
): Promise<void> {
  request.phase = 'connect'
  const connected = getConnection(pool, record, request.borrower.session, request.opening)
  return request.patience.within(connected, () => {
    connected.then(
      () => {
        record.become('returning')
        return pool.returnConnection(record)
      },
      () => {},
    )
  })
}

/**
 * Leaves the record `leased` with a connection that is not stale (behaviours 106-109). A new record is checked once more after
 * its open, for it may have been condemned meanwhile; a reopened one is not (109), or a steady invalidator could keep it busy for ever.
 */
export async function getConnection<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  session: number,
  opening?: () => void,
): Promise<void> {
  if (record.state === 'closing') await pool.closed(record)
  if (record.state === 'empty') record.become('opening', session)
  if (record.state === 'opening') {
    const isNew = record.openings === 0
    await openOrReturn(pool, record, session, opening)
    if (!isNew) return
  }
  const { staleness } = record
  if (staleness === undefined) return
  pool.log.info(named => `${named(record.connection)} ${recycling[staleness]}; recycling`)
  await record.shut('abrupt')
  record.reopen(session)
  await openOrReturn(pool, record, session, opening)
}

/** Opens; on failure a new record is dropped without a trace (278, 280), an old one comes home empty (279, 281). */
async function openOrReturn<C extends object>(
  pool: Pool<C>,
  record: ConnectionRecord<C>,
  session: number,
  opening?: () => void,
): Promise<void> {
  const isNew = record.openings === 0
  opening?.()
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
      await pool.events.emit('invalidate', connection, record, error)
      pool.log.info(named => `Invalidating ${named(connection)}${reasonOf(error)}`)
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

/** Ping and checkout listeners, until they are content; a connection they find dead is replaced in place (behaviours 204-217). */
async function verify<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
  request: CheckoutRequest<C>,
): Promise<void> {
  for (let left = examinations; left > 0; left--) {
    const failure = await examine(pool, checkout, record, request)
    if (failure === undefined) return
    if (!(failure.error instanceof DisconnectionError) || request.patience.gone) {
      await checkout.fail(failure.error)
      throw failure.error
    }
    await replace(pool, checkout, record, request, failure.error)
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
): Promise<{ readonly error: unknown } | undefined> {
  const connection = record.connection
  if (connection === undefined) return { error: new InvalidRequestError('This connection is closed.') }
  try {
    if (pool.settings.prePing && !record.fresh) {
      request.phase = 'ping'
      if (!(await request.patience.within(ping(pool, connection)))) {
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

async function ping<C extends object>(pool: Pool<C>, connection: C): Promise<boolean> {
  const { dialect } = pool
  pool.log.debug(named => `Pinging ${named(connection)}`)
  if (dialect.ping === undefined) {
    throw new InvalidRequestError(`prePing is on, but the dialect '${dialect.name}' has no ping.`)
  }
  return dialect.ping(connection)
}

/** Opened for this very checkout: then there is nothing to ping (behaviours 166, 303). */
function noteFresh<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): void {
  if (pool.settings.prePing && record.fresh) pool.log.debug(named => `${named(record.connection)} is fresh, not pinged`)
}

/** Closes the dead connection, so that the same record can have a new one; if a listener fails, the checkout has failed. */
async function empty<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
  error: DisconnectionError,
): Promise<void> {
  const { connection } = record
  try {
    if (connection && checkout.tenure.isPresent) {
      await pool.events.emit('invalidate', connection, record, error)
      pool.log.info(named => `Invalidating ${named(connection)}${reasonOf(error)}`)
    }
  } catch (failure) {
    await checkout.fail(failure, 'announced')
    throw failure
  }
  if (!checkout.tenure.isSeat) return record.shut('abrupt')
  if (checkout.tenure.takeRecord()) await record.closeConnection('abrupt')
  else await pool.closed(record)
}

/** The same record and fairy, a new connection, a new lease number. */
async function replace<C extends object>(
  pool: Pool<C>,
  checkout: Checkout<C>,
  record: ConnectionRecord<C>,
  request: CheckoutRequest<C>,
  error: DisconnectionError,
): Promise<void> {
  const which = error.invalidatePool ? 'all connections opened before now' : 'this one'
  pool.log.info(
    named =>
      `Disconnection of ${named(record.connection)} detected on checkout, invalidating ${which}${reasonOf(error)}`,
  )
  await empty(pool, checkout, record, error)
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
}
