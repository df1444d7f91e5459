import { asError, TimeoutError } from '../base/errors.ts'
import { warnInFlight } from '../observe/checkout-warnings.ts'
import type { Calls } from './calls.ts'
import type { Checkout } from './checkout.ts'
import type { Pool } from './pool.ts'

/** Settles when nothing is under way on a checkout, within `closeTimeoutMs`; what is still running then is cancelled at the server. */
export async function quieten<C extends object>(
  pool: Pool<C>,
  { trace, borrower }: Checkout<C>,
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
  const timeoutMs = settings.closeTimeoutMs
  const late = (): Error =>
    new TimeoutError(`No answer to a cancel within ${timeoutMs} ms.`, { phase: 'close', timeoutMs })
  await calls.cancel(stop, timeoutMs, late).catch(error => {
    pool.log.warn('a query could not be cancelled.', asError(error))
  })
}

/**
 * A connection is taken away from what it runs: the server is told to stop, or it would go on, beside the connection that comes
 * instead. Nobody waits for that, for it may be the server that is broken; and where the session is gone, nothing runs.
 */
export function abandon<C extends object>(
  pool: Pool<C>,
  connection: C | undefined,
  calls: Calls,
  error: unknown,
): void {
  if (!pool.dialect.isDisconnect?.(error, connection)) void cancel(pool, connection, calls)
}
