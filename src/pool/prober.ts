import { monotonicMs } from '../base/clock.ts'
import { type Deadline, deadlines } from '../base/deadlines.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'

/** What of a record decides whether it must be opened before it is lent. */
type Claimable = Pick<ConnectionRecord<object>, 'connection' | 'staleness'>

/** How long the first rest is between two attempts to open, and the longest; each is twice the one before. */
const restMs = { first: 10, longest: 1000 } as const

/**
 * Who may try to open a connection while the database can't be reached. An outage begins with an attempt that fails by what the
 * dialect calls unreachable, and ends with the first that succeeds. As long as it lasts one attempt is made at a time, on behalf of
 * whoever has waited longest, with a rest in between that doubles from 10 ms to 1 s, less up to half of it by chance, so that processes
 * that have lost the same server do not come back to it in step. Nothing is tried while nobody waits.
 *
 * An attempt that hangs gives way to the next after `connectTimeoutMs`, whatever becomes of it.
 */
export class Prober {
  readonly #pool: Pool<object>
  /** Attempts that have failed one after another; 0: there is no outage. */
  #failures = 0
  /** In an outage: an attempt is under way, or all rest. */
  #state: 'probing' | 'resting' = 'resting'
  /** When the next attempt may be made. */
  #dueAt = 0
  #wake: Deadline | undefined
  readonly #errors = new WeakSet<object>()

  constructor(pool: Pool<object>) {
    this.#pool = pool
  }

  /** May a connection be opened now? */
  get mayOpen(): boolean {
    return this.#failures === 0 || monotonicMs() >= this.#dueAt
  }

  /** May this record be lent now, which it may be only with an attempt to open? */
  mayLend(record: Claimable): boolean {
    return this.mayOpen || !needsOpen(record)
  }

  /** This record has been claimed. In an outage, if it must be opened, nobody else tries to open one before it has ended. */
  claimed(record: Claimable): void {
    if (this.#failures === 0 || !needsOpen(record)) return
    this.#state = 'probing'
    this.#dueAt = monotonicMs() + this.#pool.settings.connectTimeoutMs
  }

  /** An attempt has failed. */
  failed(error: Error): void {
    if (this.#pool.dialect.isUnreachable?.(error) !== true) return this.#goOn()
    this.#errors.add(error)
    // One of several that were under way when the outage began: what it has to say is known.
    if (this.#failures > 0 && this.#state === 'resting') return
    const rest = Math.min(restMs.longest, restMs.first * 2 ** Math.min(this.#failures, 16))
    this.#failures++
    this.#state = 'resting'
    this.#dueAt = monotonicMs() + rest * (1 - Math.random() / 2)
    this.#pool.log.info(() => `The database can't be reached: attempt ${this.#failures} has failed (${error.message})`)
    if (this.#wake) this.rouse()
  }

  /** An attempt has succeeded: whoever waits is served at once. */
  succeeded(): void {
    if (this.#failures === 0) return
    this.#pool.log.info(() => `The database can be reached again, after ${this.#failures} attempts`)
    this.#goOn()
  }

  /** Was this the failure of an attempt to reach the database? Then another may succeed later. */
  isOutage(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#errors.has(error)
  }

  /**
   * Somebody waits who could be served if a connection might be opened, and none might: the pool looks again when that is so. It may be
   * so by now.
   */
  rouse(): void {
    if (this.#failures === 0) return
    this.rest()
    const now = monotonicMs()
    const wake = (): void => {
      this.#wake = undefined
      this.#pool.serveWaiters()
    }
    this.#wake = deadlines.arm(Math.max(0, Math.ceil(this.#dueAt - now)), wake, now)
  }

  /** Nobody waits any more. */
  rest(): void {
    this.#wake?.cancel()
    this.#wake = undefined
  }

  /** The server is there, even if what it has answered is a refusal. */
  #goOn(): void {
    if (this.#failures === 0) return
    this.#failures = 0
    this.rest()
    this.#pool.serveWaiters()
  }
}

/** Lending it means to open a connection. */
const needsOpen = ({ connection, staleness }: Claimable): boolean => connection === undefined || staleness !== undefined
