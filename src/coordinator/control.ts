import { ArgumentError, InvalidRequestError } from '../base/errors.ts'
import { type EventName, eventNames } from '../observe/event-names.ts'
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
    if (!Number.isSafeInteger(number)) throw new ArgumentError('A lease must be a number.')
    if (kind !== 'info' && kind !== 'recordInfo') throw new ArgumentError('A fairy has no such map.')
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
    recreate: () => {
      if (recreated >= mostRecreated)
        throw new InvalidRequestError(`Threads have had ${mostRecreated} pools recreated, and that is the most.`)
      return shareAnew(pool.recreate())
    },
    listen: event => observers.listen(eventOf(event)),
    unlisten: event => observers.unlisten(eventOf(event)),
    dispose: options => pool.dispose(options),
    suspend: () => pool.suspend(),
    resume: () => pool.resume(),
    invalidate: generation => pool.condemn(generationOf(generation)),
    infoGet: (number, kind, key) => map(number, kind).get(keyOf(key)),
    infoSet: (number, kind, key, value) => setIn(map(number, kind), keyOf(key), value),
    infoHas: (number, kind, key) => map(number, kind).has(keyOf(key)),
    infoDelete: (number, kind, key) => map(number, kind).delete(keyOf(key)),
    infoClear: (number, kind) => map(number, kind).clear(),
  }
}

let recreated = 0

/** Threads can have so many pools made, in all; the next makes none. */
const mostRecreated = 1000

/** Under a name of its own. */
function shareAnew(pool: Pool<object>): ShareAddress {
  return pool.share({ name: `recreated ${++recreated}` })
}

/** So many keys can threads put into one map, and of such a length: a record outlives their leases. */
const most = { keys: 1000, characters: 1000 } as const

function keyOf(key: unknown): string {
  if (typeof key === 'string' && key.length <= most.characters) return key
  throw new ArgumentError(`A key must be a string of ${most.characters} characters at most.`)
}

function setIn(map: Map<string, unknown>, key: string, value: unknown): void {
  if (map.size >= most.keys && !map.has(key))
    throw new InvalidRequestError(`It has ${most.keys} keys, and that is the most.`)
  map.set(key, value)
}

function eventOf(event: unknown): EventName {
  if (eventNames.includes(event as EventName)) return event as EventName
  throw new InvalidRequestError('A pool has no such event.')
}

function generationOf(generation: unknown): number | undefined {
  if (generation === undefined || Number.isInteger(generation)) return generation as number | undefined
  throw new ArgumentError('A generation must be a whole number.')
}
