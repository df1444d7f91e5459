import { within } from '../base/deadlines.ts'
import { asError, TimeoutError } from '../base/errors.ts'
import type { Pool } from './pool.ts'

/** Closes a driver's connection within `closeTimeoutMs`; failures are logged. */
export async function closeQuietly<C extends object>(
  pool: Pool<C>,
  connection: C,
  manner: 'polite' | 'abrupt',
): Promise<void> {
  const { dialect, settings } = pool
  pool.log.debug(named => `${manner === 'abrupt' ? 'Terminating' : 'Closing'} ${named(connection)}`)
  try {
    dialect.keepAlive?.(connection, true)
    if (manner === 'abrupt' && dialect.terminate) return dialect.terminate(connection)
    const timeoutMs = settings.closeTimeoutMs
    await within(Promise.resolve(dialect.close(connection)), timeoutMs, () => {
      return new TimeoutError(`The driver did not close a connection within ${timeoutMs} ms; it was dropped.`, {
        phase: 'close',
        timeoutMs,
      })
    })
  } catch (error) {
    pool.log.error('closing a connection failed.', asError(error))
    try {
      if (manner === 'polite') dialect.terminate?.(connection)
    } catch {
      // It has been told twice to go; its place must not be lost for that.
    }
  }
}
