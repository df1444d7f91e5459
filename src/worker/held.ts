import { shown } from '../base/holder.ts'
import { loansOut } from '../fairies/lost-fairies.ts'
import type { HeldFacts } from '../protocol/messages.ts'
import { Lease } from './lease.ts'
import type { Wire } from './wire.ts'

/** What this thread holds of one pool: its fairies' leases, and those over which it runs statements. */
export function heldThrough(wire: Wire): HeldFacts[] {
  const facts: HeldFacts[] = []
  for (const loan of loansOut()) {
    const held = loan instanceof Lease ? loan.factsFor(wire) : undefined
    if (held) facts.push(held)
  }
  for (const { lease, statement } of wire.statements?.lines() ?? []) {
    facts.push({ lease, task: undefined, stack: undefined, statement: statement && shown(statement) })
  }
  return facts
}
