import { TimeoutError, type TimeoutPhase } from '../base/errors.ts'
import { type Holder, heldBy } from '../base/holder.ts'
import type { Pool } from './pool.ts'

/** Whose deadline has passed, and doing what. */
export interface TimedOut {
  readonly phase: TimeoutPhase
  readonly timeoutMs: number | null
  readonly verb?: 'connect' | 'query'
}

/** What a caller is told whose deadline has passed. `left`: so many that it concerns do not count as waiting any more. */
export function timeoutError(
  pool: Pool<object>,
  { phase, timeoutMs: given, verb = 'connect' }: TimedOut,
  left = 0,
  holders: readonly Holder[] = pool.custody.now(),
): TimeoutError {
  const timeoutMs = given ?? 0
  const { checkedin, checkedout, ...status } = pool.status()
  const waiting = status.waiting + left
  const total = checkedin + checkedout
  const doing = phase === 'wait' ? 'waiting for a connection' : `in the phase '${phase}'`
  const cause = pool.lastConnectError
  const message =
    `${verb}() timed out after ${timeoutMs} ms ${doing}: ${checkedout} of ${total} connections are out, ${waiting} callers wait.` +
    heldBy(holders) +
    (status.state === 'suspended' ? ' The pool is suspended: nobody gets a connection before resume().' : '') +
    (cause ? ` The last failure to connect was: ${cause.message}` : '')
  const facts = { phase, timeoutMs, total, idle: checkedin, leased: checkedout, waiting, holders }
  return new TimeoutError(message, facts, cause ? { cause } : undefined)
}

/** So long the threads that hold connections have to say what with, before a caller is told that its deadline has passed. */
const graceMs = 10

/** The same, with what the holders' threads know. */
export async function fullTimeoutError(pool: Pool<object>, timedOut: TimedOut, left: number): Promise<TimeoutError> {
  return timeoutError(pool, timedOut, left, await pool.custody.ask(graceMs))
}
