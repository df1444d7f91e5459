import { warn } from '../observe/warnings.ts'
import type { PoolNotice } from '../protocol/messages.ts'
import { fromWireError } from '../protocol/wire-error.ts'

/** An event of the pool, as a worker hears of it: afterwards, and without a say in it. */
export interface PoolEvent {
  readonly event: string
  /** The number of the connection, as in the pool's log; undefined when there is none. */
  readonly connection: number | undefined
  /** The number of the record; undefined for a detached connection. */
  readonly record: number | undefined
  /** Why: of an invalidation. */
  readonly error?: unknown
}

export type PoolEventListener = (event: PoolEvent) => unknown

/** The listeners of one thread, by event. */
export class Listeners {
  readonly #byEvent = new Map<string, Set<PoolEventListener>>()

  /** True when it is the first for this event: the coordinator has to be asked. */
  add(event: string, listener: PoolEventListener): boolean {
    const listeners = this.#byEvent.get(event) ?? new Set()
    this.#byEvent.set(event, listeners)
    listeners.add(listener)
    return listeners.size === 1
  }

  /** True when it was the last for this event. */
  delete(event: string, listener: PoolEventListener): boolean {
    const listeners = this.#byEvent.get(event)
    return listeners?.delete(listener) === true && listeners.size === 0
  }

  /** A listener that fails harms nobody: it is warned of. */
  tell({ event, connection, record, error }: PoolNotice): void {
    const told: PoolEvent = { event, connection, record, ...(error ? { error: fromWireError(error) } : {}) }
    for (const listener of [...(this.#byEvent.get(event) ?? [])]) {
      try {
        void Promise.resolve(listener(told)).catch(failed)
      } catch (failure) {
        failed(failure)
      }
    }
  }
}

const failed = (failure: unknown): void =>
  warn('FAIRYPOOL_LISTENER', `A listener of a pool's events has failed: ${String(failure)}`)
