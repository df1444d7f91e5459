import { within } from '../base/deadlines.ts'
import { asError, noAnswerToCancel, TimeoutError } from '../base/errors.ts'
import type { Calls } from '../fairies/calls.ts'
import { warnInFlight } from '../observe/checkout-warnings.ts'
import type { Attendance } from './attendance.ts'
import type { Borrowed } from './borrowed.ts'
import type { Pool } from './pool.ts'

/** Settles when nothing is under way on a checkout, within `closeTimeoutMs`; what is still running then is cancelled at the server. */
export async function quieten<C extends object>(
  pool: Pool<C>,
  { trace, borrower }: Borrowed<C>,
  connection: C | undefined,
  calls: Calls,
): Promise<void> {
  if (calls.isQuiet) return
  const timeoutMs = pool.settings.closeTimeoutMs
  if (calls.inFlight > 0) warnInFlight(trace, borrower.threadId, timeoutMs)
  try {
    await calls.quieten(timeoutMs, () => {
      return new TimeoutError(`A call was still in flight ${timeoutMs} ms after close().`, {
        phase: 'close',
        timeoutMs,
      })
    })
  } catch (error) {
    await cancel(pool, connection, calls)
    throw error
  }
}

/** Stops at the server what a connection runs, if it runs anything; bounded, for the server may be gone. */
export async function cancel<C extends object>(pool: Pool<C>, connection: C | undefined, calls: Calls): Promise<void> {
  const { dialect, settings } = pool
  const stop = connection && dialect.cancel?.bind(dialect, connection)
  if (calls.inFlight === 0 || stop === undefined) return
  const { closeTimeoutMs } = settings
  await orWarn(pool, calls.cancel(stop, closeTimeoutMs, noAnswerToCancel(closeTimeoutMs)))
}

/**
 * Ends a session that a thread has left in whatever state; bounded as well. `gone` settles when that thread reads no more: before
 * that, what is read here would be missing there, in the middle of its answers.
 */
export async function abandon<C extends object>(
  pool: Pool<C>,
  attendance: Attendance<C>,
  gone: Promise<unknown> | undefined,
): Promise<void> {
  const { closeTimeoutMs } = pool.settings
  const isGone = await within(Promise.resolve(gone), closeTimeoutMs, noAnswerToCancel(closeTimeoutMs)).then(
    () => true,
    () => false,
  )
  // A thread that does not leave is cut off from what it reads when the session is closed.
  if (isGone) await orWarn(pool, within(attendance.abandon(), closeTimeoutMs, noAnswerToCancel(closeTimeoutMs)))
}

function orWarn<C extends object>(pool: Pool<C>, work: Promise<void>): Promise<void> {
  return work.catch(error => {
    pool.log.warn('a query could not be cancelled.', asError(error))
  })
}

/**
 * A connection is taken away from what it runs: the server is told to stop, or it would go on, beside the connection that comes
 * instead. `unseen`: another thread runs the driver. Nobody waits for that, for it may be the server that is broken; and where the session is gone, nothing runs.
 */
export function stopInvalidated<C extends object>(
  pool: Pool<C>,
  connection: C | undefined,
  calls: Calls,
  error: unknown,
  unseen: boolean,
): void {
  if (pool.dialect.isDisconnect?.(error, connection)) return
  if (unseen) void cancelUnseen(pool, connection)
  else void cancel(pool, connection, calls)
}

/** What another thread runs by itself can't be counted from here: it is cancelled once, whatever it is. */
async function cancelUnseen<C extends object>(pool: Pool<C>, connection: C | undefined): Promise<void> {
  const { dialect, settings } = pool
  if (connection === undefined || dialect.cancel === undefined) return
  const { closeTimeoutMs } = settings
  await orWarn(pool, within(dialect.cancel(connection), closeTimeoutMs, noAnswerToCancel(closeTimeoutMs)))
}
