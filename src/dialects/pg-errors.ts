/** SQLSTATEs after which the server session is gone: class 08, and these (PostgreSQL manual, appendix A). */
const endedSessions = new Set([
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
])

/** System errors of a socket that is no more. */
const brokenSockets = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTCONN',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
])

/** The driver's own words: it gives these errors no code. */
const driverWords = [/^Connection terminated/, /not queryable$/, /^Client was closed/, /^Client has already been/]

/** Does this error of the driver or its socket mean that the connection is gone? */
export function isPgDisconnect(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  if (typeof code === 'string')
    return brokenSockets.has(code) || endedSessions.has(code) || /^08[0-9A-Z]{3}$/.test(code)
  return driverWords.some(words => words.test(error.message))
}
