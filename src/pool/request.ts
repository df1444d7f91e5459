import type { TimeoutPhase } from '../base/errors.ts'
import { Patience, type PatienceOptions } from '../base/patience.ts'
import type { Borrower } from '../fairies/borrower.ts'
import type { Fairy } from '../fairies/fairy.ts'
import type { CheckoutTrace } from '../observe/trace.ts'
import type { Checkout } from './checkout.ts'
import type { Turn } from './waiters.ts'

/** Why a request leaves that its thread has no caller for any more. */
export const notNeeded: unique symbol = Symbol('not needed')

/** What is particular to one `connect()`. */
export interface RequestOptions<C extends object> extends PatienceOptions {
  /** Makes the fairy over the checkout: the caller's own, or a stand-in for listeners when the caller is in another thread. */
  readonly fairyOver: (checkout: Checkout<C>) => Fairy<C>
  readonly trace?: CheckoutTrace | undefined
  /** Told true when a record has been claimed for this request that can't be lent at once: it stands in no queue any more; false: it does again. */
  readonly served?: ((isServed: boolean) => void) | undefined
  /** A caller, who is refused if too many wait. Else it stands for such as have been counted already. */
  readonly isCounted?: boolean
}

/** One caller's wish for a connection, from `connect()` until it is met or given up. */
export class CheckoutRequest<C extends object> {
  readonly borrower: Borrower
  readonly patience: Patience
  readonly timeoutMs: number | null
  readonly trace: CheckoutTrace | undefined
  readonly served: ((isServed: boolean) => void) | undefined
  readonly isCounted: boolean
  /** Who came first, by the pool's count. */
  turn: Turn | undefined
  /** What is going on: a timeout says so. */
  phase: TimeoutPhase = 'wait'
  readonly #fairyOver: (checkout: Checkout<C>) => Fairy<C>
  #fairy: Fairy<C> | undefined

  constructor(borrower: Borrower, options: RequestOptions<C>, late: (request: CheckoutRequest<C>) => Error) {
    this.borrower = borrower
    this.trace = options.trace
    this.served = options.served
    this.isCounted = options.isCounted ?? false
    this.#fairyOver = options.fairyOver
    this.timeoutMs = options.timeoutMs ?? null
    // A timeout of 0 is about waiting for a place only: opening takes the time it takes, within `connectTimeoutMs` (behaviour 45).
    const timeoutMs = this.timeoutMs === 0 ? null : this.timeoutMs
    this.patience = new Patience({ timeoutMs, signal: options.signal }, () => late(this))
  }

  /** Nothing came of it: as when it was made, but that its deadline is nearer. */
  waitAgain(): void {
    this.phase = 'wait'
    this.#fairy = undefined
    this.served?.(false)
  }

  /** The one fairy of this request: listeners see the same as the caller. */
  fairyFor(checkout: Checkout<C>): Fairy<C> {
    this.#fairy ??= this.#fairyOver(checkout)
    return this.#fairy
  }
}
