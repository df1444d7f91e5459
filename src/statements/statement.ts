import { Link } from '../base/chain.ts'
import { NotSent } from '../base/errors.ts'
import { Patience } from '../base/patience.ts'
import type { Outcome } from '../dialects/dialect.ts'
import type { Borrower } from '../fairies/borrower.ts'

/** Where a statement is. */
export interface StatementPlace {
  /** Its caller has left. */
  left(statement: Statement): void
  /** The driver has answered it, and its caller has been told, if there still is one. */
  answered?(statement: Statement): void
  /** It was lost before it was sent, and waits again, for another connection. */
  unsent?(statement: Statement): void
}

/** What is particular to one statement. */
export interface StatementWish {
  readonly text: string
  readonly values: readonly unknown[] | undefined
  /** For the connection's `query`. */
  readonly args: readonly unknown[]
  /** How long it may wait for a connection. 0: not at all; null: as long as it takes. */
  readonly waitMs: number | null
  /** How long its caller has patience with all of it. Not gone yet. */
  readonly whole: Patience | undefined
}

/**
 * One statement of `pool.query()`, from the call until its outcome is told, once, or is nobody's any more. `resolve` and `reject`
 * are for the driver.
 */
export class Statement extends Link implements Outcome {
  /** The thread it comes from. */
  readonly borrower: Borrower
  readonly text: string
  readonly values: readonly unknown[] | undefined
  readonly args: readonly unknown[]
  readonly waitMs: number | null
  /** Where it waits. A chain does not know which are its own. */
  queue: object | undefined
  readonly #whole: Patience | undefined
  readonly #outcome: Outcome
  #wait: Patience | undefined
  #place: StatementPlace | undefined
  #state: 'waiting' | 'sent' | 'over' = 'waiting'
  /** Once: who never has a connection that lives must not be asked for ever. */
  #mayComeAgain = true

  constructor(borrower: Borrower, wish: StatementWish, outcome: Outcome) {
    super()
    const { whole } = wish
    this.borrower = borrower
    this.text = wish.text
    this.values = wish.values
    this.args = wish.args
    this.waitMs = wish.waitMs
    this.#whole = whole
    this.#outcome = outcome
    whole?.watch(reason => this.leave(reason))
  }

  get isWaiting(): boolean {
    return this.#state === 'waiting'
  }

  get isOver(): boolean {
    return this.#state === 'over'
  }

  /** It has to wait; no longer than it may, where `late` says what to tell its caller then. */
  waits(place: StatementPlace, late?: (waitMs: number) => Error): void {
    const { waitMs } = this
    this.#place = place
    if (!waitMs || late === undefined) return
    this.#wait = new Patience({ timeoutMs: waitMs }, () => late(waitMs))
    this.#wait.watch(reason => this.leave(reason))
  }

  /** It has got a connection: the deadline for waiting is past. */
  sent(place: StatementPlace): void {
    this.#place = place
    this.#state = 'sent'
    this.#wait?.end()
  }

  resolve(value: unknown): void {
    if (this.#end()) this.#outcome.resolve(value)
    this.#place?.answered?.(this)
  }

  reject(error: unknown): void {
    const isUnsent = error instanceof NotSent
    if (isUnsent && this.#mayComeAgain && this.#state === 'sent' && this.#place?.unsent) {
      this.#mayComeAgain = false
      this.#state = 'waiting'
      return this.#place.unsent(this)
    }
    this.fail(isUnsent ? error.cause : error)
    this.#place?.answered?.(this)
  }

  /** It is over without an answer. */
  fail(error: unknown): void {
    if (this.#end()) this.#outcome.reject(error)
  }

  /** Its caller has no patience any more, and is told why. */
  leave(reason: unknown): void {
    if (!this.#end()) return
    this.#outcome.reject(reason)
    this.#place?.left(this)
  }

  /** Its thread is gone. What has been sent runs to its end, unseen: others may stand behind it. */
  drop(): void {
    const { isWaiting } = this
    if (this.#end() && isWaiting) this.#place?.left(this)
  }

  #end(): boolean {
    if (this.#state === 'over') return false
    this.#state = 'over'
    this.#wait?.end()
    this.#whole?.end()
    return true
  }
}
