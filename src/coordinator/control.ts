import { InvalidRequestError } from '../base/errors.ts'
import type { Checkout } from '../pool/checkout.ts'
import type { Pool } from '../pool/pool.ts'
import type { Control, InfoKind } from '../protocol/control.ts'

/** What the control plane does for one session. `lease` finds the session's own leases, and throws for any other. */
export function controlFor(pool: Pool<object>, lease: (lease: number) => Checkout<object>): Control {
  const map = (number: number, kind: InfoKind): Map<string, unknown> => {
    const checkout = lease(number)
    const found = kind === 'info' ? checkout.info : checkout.recordInfo
    if (found === undefined) throw new InvalidRequestError(`A detached connection has no ${kind}.`)
    return found
  }
  return {
    status: () => ({ ...pool.status() }),
    dispose: () => pool.dispose(),
    invalidate: generation => pool.condemn(generation),
    infoGet: (number, kind, key) => map(number, kind).get(key),
    infoSet: (number, kind, key, value) => void map(number, kind).set(key, value),
    infoHas: (number, kind, key) => map(number, kind).has(key),
    infoDelete: (number, kind, key) => map(number, kind).delete(key),
    infoClear: (number, kind) => map(number, kind).clear(),
  }
}
