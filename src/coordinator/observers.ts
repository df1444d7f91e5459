import type { EventName } from '../observe/event-names.ts'
import type { PoolListeners } from '../pool/events.ts'
import type { Pool } from '../pool/pool.ts'
import type { PoolNotice } from '../protocol/messages.ts'
import { toWireError } from '../protocol/wire-error.ts'

/** What of an event's arguments can be told: `(connection, record, error)` in most, `(fairy, record)` for a reset. */
interface Told {
  readonly slot?: number
}

/** The events that one attached thread wants to hear of. It observes: it is told, and nobody waits for what it does about it. */
export class Observers {
  readonly #pool: Pool<object>
  readonly #tell: (notice: PoolNotice) => void
  readonly #listeners = new Map<EventName, (...args: unknown[]) => void>()

  constructor(pool: Pool<object>, tell: (notice: PoolNotice) => void) {
    this.#pool = pool
    this.#tell = tell
  }

  listen(event: EventName): void {
    if (this.#listeners.has(event)) return
    const listener = (...args: unknown[]): void => this.#tell(this.#notice(event, args))
    this.#pool.events.observe(event, listener as PoolListeners<object>[EventName])
    this.#listeners.set(event, listener)
  }

  unlisten(event: EventName): void {
    const listener = this.#listeners.get(event)
    if (listener === undefined) return
    this.#listeners.delete(event)
    this.#pool.off(event, listener as PoolListeners<object>[EventName])
  }

  /** The thread is gone. */
  close(): void {
    for (const event of [...this.#listeners.keys()]) this.unlisten(event)
  }

  #notice(event: EventName, [subject, record, third]: unknown[]): PoolNotice {
    const connection = event === 'reset' ? (subject as { readonly connection?: object }).connection : subject
    const isInvalidation = event === 'invalidate' || event === 'softInvalidate'
    return {
      event,
      connection: this.#pool.log.number(connection as object | undefined),
      record: (record as Told | undefined)?.slot,
      error: isInvalidation && third !== undefined ? toWireError(third) : undefined,
    }
  }
}
