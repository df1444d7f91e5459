import type { EventName } from '../observe/event-names.ts'
import type { ListenOptions, PoolEvents, PoolListeners } from './events.ts'
import { addLegacyListener, type LegacyListener } from './legacy-listeners.ts'

/** What can be listened to: the events of a pool, from now on, for existing connections too. */
export abstract class Listened<C extends object> {
  /** @internal */ abstract readonly events: PoolEvents<C>

  on<N extends EventName>(event: N, listener: PoolListeners<C>[N], options?: ListenOptions): this {
    this.events.on(event, listener, options)
    return this
  }

  once<N extends EventName>(event: N, listener: PoolListeners<C>[N], options?: ListenOptions): this {
    this.events.once(event, listener, options)
    return this
  }

  off<N extends EventName>(event: N, listener: PoolListeners<C>[N]): this {
    this.events.off(event, listener)
    return this
  }

  /** @deprecated Use `on`. Registers what of connect, firstConnect, checkout and checkin an object can do (behaviour 19). */
  addListener(listener: LegacyListener<C>): this {
    addLegacyListener(this.events, listener)
    return this
  }
}
