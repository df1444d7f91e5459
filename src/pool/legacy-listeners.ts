import type { EventName } from '../observe/event-names.ts'
import { warn } from '../observe/warnings.ts'
import type { PoolEvents, PoolListeners } from './events.ts'

/** Upstream's old form of listeners: an object, or a class's instance, with any of these methods (behaviours 19, 270). */
export type LegacyListener<C extends object> = Partial<
  Pick<PoolListeners<C>, 'connect' | 'firstConnect' | 'checkout' | 'checkin'>
>

const legacy = ['connect', 'firstConnect', 'checkout', 'checkin'] as const satisfies readonly EventName[]

/** Registers what of the four an object can do, called as its methods. */
export function addLegacyListener<C extends object>(events: PoolEvents<C>, listener: LegacyListener<C>): void {
  warn('FAIRYPOOL_DEPRECATED', 'The option `listeners` and addListener() are deprecated: use `events`, or pool.on().')
  for (const name of legacy) {
    const method = listener[name] as ((...args: unknown[]) => unknown) | undefined
    if (typeof method !== 'function') continue
    events.on(name, ((...args: unknown[]) => Reflect.apply(method, listener, args)) as PoolListeners<C>[typeof name])
  }
}
