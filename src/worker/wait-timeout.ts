import { monotonicMs } from '../base/clock.ts'
import { TimeoutError } from '../base/errors.ts'
import { type Holder, heldBy } from '../base/holder.ts'
import { tableFlag } from '../slots/layout.ts'
import { outOf } from '../slots/out.ts'
import type { SlotTable } from '../slots/slot-table.ts'
import { leaseId } from '../slots/state.ts'
import type { Wire } from './wire.ts'

/** What this thread can say by itself of a deadline that has passed while a caller waited for a connection. */
export function waitTimeout({ table, welcome }: Wire, timeoutMs: number, verb: 'connect' | 'query'): TimeoutError {
  const { idle, leased, opening } = table.counts()
  const waiting = table.sessions.waiting(welcome.session)
  const total = idle + leased + opening
  const holders = holdersIn(table)
  const message =
    `${verb}() timed out after ${timeoutMs} ms waiting for a connection: ${leased + opening} of ${total} connections` +
    ` are out, ${waiting} callers of this thread wait.${heldBy(holders)}`
  return new TimeoutError(message, { phase: 'wait', timeoutMs, idle, leased, waiting, total, holders })
}

/** Who has what, as the table says it. Not of pools that lend one connection to several: there a slot may be nobody's in particular. */
function holdersIn(table: SlotTable): Holder[] {
  if (!table.has(tableFlag.fastCheckout | tableFlag.fastCheckin)) return []
  const now = monotonicMs()
  return outOf(table).map(({ slot, word, session, use }) => ({
    lease: leaseId(slot, word),
    threadId: table.sessions.threadId(session),
    use,
    task: undefined,
    heldMs: table.notes.heldMs(slot, word, now),
    stack: undefined,
    statement: 'unknown',
  }))
}
