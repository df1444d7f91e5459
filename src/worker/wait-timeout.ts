import { TimeoutError } from '../base/errors.ts'
import type { Wire } from './wire.ts'

/** What this thread can say by itself of a deadline that has passed while a caller waited for a connection. */
export function waitTimeout({ table, welcome }: Wire, timeoutMs: number, verb: 'connect' | 'query'): TimeoutError {
  const { idle, leased, opening } = table.counts()
  const waiting = table.sessions.waiting(welcome.session)
  const total = idle + leased + opening
  const message =
    `${verb}() timed out after ${timeoutMs} ms waiting for a connection: ${leased + opening} of ${total} connections` +
    ` are out, ${waiting} callers of this thread wait.`
  return new TimeoutError(message, { phase: 'wait', timeoutMs, idle, leased, waiting, total })
}
