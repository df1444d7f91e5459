import { InvalidRequestError, StaleLeaseError, TimeoutError } from '../../src/base/errors.ts'
import { isPgDisconnect, isPgUnreachable } from '../../src/dialects/pg-errors.ts'

/**
 * Why a call may fail that asked for nothing wrong. `waited`: no connection in time. `late`: the caller's own deadline for a
 * statement. `left`: the caller's own signal. `lost`: the session or its connection is gone, or the server is. `closed`: the caller's fairy is.
 * `cancelled`: the server has broken it off, or a call did not end within `closeTimeoutMs`.
 */
export const excuses = ['waited', 'late', 'left', 'lost', 'closed', 'cancelled'] as const
export type Excuse = (typeof excuses)[number]

/** The reason of a signal: whoever leaves must be told his own. */
export class Leave extends Error {
  readonly id: number
  constructor(id: number) {
    super(`${id} leaves`)
    this.id = id
  }
}

const closedWords = /^This connection (is closed|was closed or invalidated)|^The connection was \w+ while the statement/

/** What kind of failure this is, for the caller with this id; undefined: none that anybody is to be blamed with. */
export function excuseOf(error: unknown, id: number): Excuse | undefined {
  if (error instanceof Leave) return error.id === id ? 'left' : undefined
  if (error instanceof TimeoutError) {
    if (error.phase === 'query') return 'late'
    // Before there is a connection: one that is about to be lent may have something to say, and is asked first.
    return ['wait', 'connect', 'ping', 'checkout'].includes(error.phase) ? 'waited' : 'cancelled'
  }
  if (error instanceof StaleLeaseError) return 'lost'
  if (error instanceof InvalidRequestError) return closedWords.test(error.message) ? 'closed' : undefined
  if ((error as { code?: unknown } | undefined)?.code === '57014') return 'cancelled'
  return isPgDisconnect(error) || isPgUnreachable(error) ? 'lost' : undefined
}
