import { TimeoutError, type TimeoutPhase } from '../base/errors.ts'
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
): TimeoutError {
  const timeoutMs = given ?? 0
  const { checkedin, checkedout, ...status } = pool.status()
  const waiting = status.waiting + left
  const total = checkedin + checkedout
  const doing = phase === 'wait' ? 'waiting for a connection' : `in the phase '${phase}'`
  const cause = pool.lastConnectError
  const message =
    `${verb}() timed out after ${timeoutMs} ms ${doing}: ${checkedout} of ${total} connections are out, ${waiting} callers wait.` +
    (cause ? ` The last failure to connect was: ${cause.message}` : '')
  const facts = { phase, timeoutMs, total, idle: checkedin, leased: checkedout, waiting, holders: holdersOf(pool) }
  return new TimeoutError(message, facts, cause ? { cause } : undefined)
}

/** Leases by thread id. */
export function holdersOf({ slots }: Pool<object>): Record<number, number> {
  const holders: Record<number, number> = {}
  for (const session of slots.holders()) {
    const id = slots.sessions.threadId(session)
    holders[id] = (holders[id] ?? 0) + 1
  }
  return holders
}
