import { InvalidRequestError } from '../base/errors.ts'
import type { EventName } from '../observe/event-names.ts'
import type { Checkout } from '../pool/checkout.ts'
import type { Pool } from '../pool/pool.ts'
import type { ShareAddress } from '../pool/sharing.ts'
import type { Control, InfoKind } from '../protocol/control.ts'
import type { Observers } from './observers.ts'

/** What the control plane does for one session. `lease` finds the session's own leases, and throws for any other. */
export function controlFor(
  pool: Pool<object>,
  observers: Observers,
  lease: (lease: number) => Checkout<object>,
): Control {
  const map = (number: number, kind: InfoKind): Map<string, unknown> => {
    const checkout = lease(number)
    const found = kind === 'info' ? checkout.info : checkout.recordInfo
    if (found === undefined) throw new InvalidRequestError(`A detached connection has no ${kind}.`)
    return found
  }
  return {
    status: () => {
      const status = pool.status()
      return { counts: { ...status }, label: status.label, transports: status.transports }
    },
    holders: () => pool.holders(),
    recreate: () => shareAnew(pool.recreate()),
    listen: event => observers.listen(event as EventName),
    unlisten: event => observers.unlisten(event as EventName),
    dispose: () => pool.dispose(),
    suspend: () => pool.suspend(),
    resume: () => pool.resume(),
    invalidate: generation => pool.condemn(generation),
    infoGet: (number, kind, key) => map(number, kind).get(key),
    infoSet: (number, kind, key, value) => void map(number, kind).set(key, value),
    infoHas: (number, kind, key) => map(number, kind).has(key),
    infoDelete: (number, kind, key) => map(number, kind).delete(key),
    infoClear: (number, kind) => map(number, kind).clear(),
  }
}

let recreated = 0

/** Under a name of its own. */
function shareAnew(pool: Pool<object>): ShareAddress {
  return pool.share({ name: `recreated ${++recreated}` })
}
