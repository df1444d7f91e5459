import { isObject } from '../base/checks.ts'
import { ArgumentError } from '../base/errors.ts'
import type { EventName } from '../observe/event-names.ts'
import { warn } from '../observe/warnings.ts'
import type { PoolEvents, PoolListeners } from './events.ts'

/** Upstream's old form of listeners: an object, or a class's instance, with any of these methods (behaviours 19, 270). */
export type LegacyListener<C extends object> = Partial<
  Pick<PoolListeners<C>, 'connect' | 'firstConnect' | 'checkout' | 'checkin'>
>

const legacy = ['connect', 'firstConnect', 'checkout', 'checkin'] as const satisfies readonly EventName[]

type Listener = (...args: unknown[]) => unknown

/** One function for each method of an object, so that an object that is registered twice counts once (behaviour 262). */
const bound = new WeakMap<object, Map<string, Listener>>()

/** Registers what of the four an object can do, called as its methods. */
export function addLegacyListener<C extends object>(events: PoolEvents<C>, listener: LegacyListener<C>): void {
  if (!isObject.test(listener))
    throw new ArgumentError(`A listener must be an object with any of ${legacy.join(', ')}.`)
  warn('FAIRYPOOL_DEPRECATED', 'The option `listeners` and addListener() are deprecated: use `events`, or pool.on().')
  const own = bound.get(listener) ?? new Map<string, Listener>()
  bound.set(listener, own)
  for (const name of legacy) {
    const method = listener[name] as Listener | undefined
    if (typeof method !== 'function') continue
    const call = own.get(name) ?? ((...args: unknown[]) => Reflect.apply(method, listener, args))
    own.set(name, call)
    events.on(name, call as PoolListeners<C>[typeof name])
  }
}
