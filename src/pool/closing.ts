import { within } from '../base/deadlines.ts'
import { asError, TimeoutError } from '../base/errors.ts'
import { isThenable } from '../base/maybe-async.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'

/** Closes a driver's connection within `closeTimeoutMs`; failures are logged. */
export async function closeQuietly<C extends object>(
  pool: Pool<C>,
  connection: C,
  manner: 'polite' | 'abrupt',
): Promise<void> {
  const { dialect, settings } = pool
  const timeoutMs = settings.closeTimeoutMs
  const late = (): Error => {
    const message = `The driver did not close a connection within ${timeoutMs} ms; it was dropped.`
    return new TimeoutError(message, { phase: 'close', timeoutMs })
  }
  const settled = (work: unknown): unknown => isThenable(work) && within(Promise.resolve(work), timeoutMs, late)
  pool.log.debug(named => `${manner === 'abrupt' ? 'Terminating' : 'Closing'} ${named(connection)}`)
  try {
    dialect.keepAlive?.(connection, true)
    const isAbrupt = manner === 'abrupt' && dialect.terminate !== undefined
    await settled(isAbrupt ? dialect.terminate?.(connection) : dialect.close(connection))
  } catch (error) {
    pool.log.error('closing a connection failed.', asError(error))
    try {
      if (manner === 'polite') await settled(dialect.terminate?.(connection))
    } catch {
      // It has been told twice to go; its place must not be lost for that.
    }
  }
}

/** The close event. A listener that fails, or takes longer than the driver may, is logged and stops nothing. */
export async function announceClose<C extends object>(
  pool: Pool<C>,
  connection: C,
  record: ConnectionRecord<C>,
): Promise<void> {
  if (!pool.events.has('close')) return
  const timeoutMs = pool.settings.closeTimeoutMs
  const late = (): Error =>
    new TimeoutError(`The close listeners did not settle within ${timeoutMs} ms.`, { phase: 'close', timeoutMs })
  await within(pool.events.emit('close', connection, record), timeoutMs, late).catch(error => {
    pool.log.error('a close listener failed.', asError(error))
  })
}
