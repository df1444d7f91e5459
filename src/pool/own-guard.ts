import type { DeadlockError } from '../base/errors.ts'
import { Standstill } from '../fairies/standstill.ts'
import type { DeadlockWatch, Guarded } from './deadlock-watch.ts'
import type { Pool } from './pool.ts'
import type { Waiter, Waiters } from './waiters.ts'

/** The part of the pool's own thread in finding out that nobody can go on: its callers, and what it holds. */
export class OwnGuard<C extends object> implements Guarded {
  readonly #pool: Pool<C>
  readonly #waiters: Waiters<C>
  readonly #standstill: Standstill
  #youngest: Waiter<C> | undefined

  constructor(pool: Pool<C>, waiters: Waiters<C>, watch: DeadlockWatch) {
    this.#pool = pool
    this.#waiters = waiters
    this.#standstill = new Standstill({
      isStill: () => this.#isStill,
      stands: id => {
        this.#youngest = waiters.youngestHere
        if (this.#youngest?.caller) watch.stands(0, id, this.#youngest.caller.at)
      },
      loosen: () => this.#keepAlive(false),
      tighten: () => this.#keepAlive(true),
    })
  }

  watch(id: number): void {
    this.#standstill.watch(id)
  }

  fail(id: number, error: DeadlockError): void {
    const { youngestHere } = this.#waiters
    if (this.#standstill.isStanding(id) && youngestHere !== undefined && youngestHere === this.#youngest)
      youngestHere.caller?.fail(error)
  }

  get #isStill(): boolean {
    if (this.#waiters.youngestHere === undefined) return false
    const { dialect } = this.#pool
    for (const connection of this.#own()) if (dialect.awaitsServer?.(connection) === true) return false
    return true
  }

  /** A connection that this thread holds may keep the process alive. */
  #keepAlive(on: boolean): void {
    for (const connection of this.#own()) this.#pool.dialect.keepAlive?.(connection, on)
  }

  *#own(): Generator<C, void> {
    for (const { connection, current } of this.#pool.records) {
      if (connection !== undefined && current?.borrower.session === 0 && current.isValid) yield connection
    }
  }
}
