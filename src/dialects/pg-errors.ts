import { TimeoutError } from '../base/errors.ts'

/** SQLSTATEs after which the server session is gone: class 08 but one, and these (PostgreSQL manual, appendix A). */
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
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  if (severity === 'FATAL' || severity === 'PANIC') return true
  if (typeof code !== 'string') return driverWords.some(words => words.test(error.message))
  return brokenSockets.has(code) || endedSessions.has(code) || isConnectionException(code)
}

/** 08P01 is what a server says to parameters that do not fit their statement; the session goes on. */
const isConnectionException = (code: string): boolean => /^08[0-9A-Z]{3}$/.test(code) && code !== '08P01'

/** How names fail to be found; and a Unix socket that is not there, nor its server. */
const unfound = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ENOENT'])

/** SQLSTATEs of a server that is there, and takes no connections just now. */
const closedDoors = new Set(['57P01', '57P02', '57P03', '53300'])

/**
 * Did an attempt to log in fail because nobody is there, or takes no more now? A refused password or an unknown database is an
 * answer, and trying again gives the same. PgBouncer says 08P01 for whatever it can't do.
 */
export function isPgUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof TimeoutError) return true
  const { code, message } = error as { readonly code?: unknown; readonly message: string }
  if (typeof code !== 'string') return message === 'timeout expired' || driverWords.some(words => words.test(message))
  return brokenSockets.has(code) || unfound.has(code) || closedDoors.has(code) || code.startsWith('08')
}
