import { isWatched } from '../observe/lease-notice.ts'
import { tableFlag } from '../slots/layout.ts'
import type { Pool } from './pool.ts'

/**
 * Says in the slot table what attached threads may do by themselves, as things are now. A listener lowers a flag before `on()`
 * returns, so a checkout that begins after that is seen by it.
 */
export class Lanes<C extends object> {
  readonly #pool: Pool<C>
  #isWatched = false

  constructor(pool: Pool<C>) {
    this.#pool = pool
  }

  /** Call it whenever something has changed that they depend on. */
  set(): void {
    const { events, slots, settings, log, lendsByItself } = this.#pool
    this.#isWatched = isWatched()
    slots.set(tableFlag.fastCheckout, lendsByItself && !events.has('checkout') && !log.isDebug)
    slots.set(tableFlag.pinged, settings.prePing)
    slots.set(tableFlag.fastCheckin, lendsByItself && !events.has('checkin') && !events.has('reset'))
    // Nothing may begin or end in silence where somebody wants to hear of it.
    slots.set(tableFlag.watched, this.#isWatched || log.isDebug)
  }

  /** Nobody tells us when somebody subscribes to the channels of leases, so this is looked at with every message. */
  heed(): void {
    if (isWatched() !== this.#isWatched) this.set()
  }
}
