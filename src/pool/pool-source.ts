import { threadId } from 'node:worker_threads'
import type { QueueFullError, TimeoutError } from '../base/errors.ts'
import type { Borrower } from '../fairies/borrower.ts'
import { ConnectionFairy } from '../fairies/fairy.ts'
import { mayKeep } from '../slots/fair-share.ts'
import { fullQueue } from '../slots/full-queue.ts'
import type { StatementLine } from '../statements/statement-line.ts'
import type { StatementAsk, StatementAsker, StatementSource } from '../statements/statement-source.ts'
import type { Checkout } from './checkout.ts'
import { CheckoutLine } from './checkout-line.ts'
import type { Pool } from './pool.ts'
import { queuePolicy } from './queue-options.ts'
import { CheckoutRequest, notNeeded } from './request.ts'

/** The connections for statements that the coordinator's thread runs: checkouts of this thread. */
export class PoolSource<C extends object> implements StatementSource {
  readonly #pool: Pool<C>
  readonly #borrower: Borrower = { session: 0, threadId }

  constructor(pool: Pool<C>) {
    this.#pool = pool
  }

  isAnyIdle(held: number): boolean {
    if (held === this.#pool.records.size || this.#pool.isSuspended) return false
    for (const { state } of this.#pool.records) if (state === 'idle') return true
    return false
  }

  mayAsk(held: number): boolean {
    const { poolSize, maxOverflow } = this.#pool.settings
    return maxOverflow < 0 || held < poolSize + maxOverflow
  }

  othersWait(inLine: number): boolean {
    const { slots, isSuspended } = this.#pool
    // Then connections come home: no more statements are put on them before the pool is resumed.
    if (isSuspended) return true
    if (slots.waiters === 0) return false
    return slots.sessions.waiting(0) > inLine || !mayKeep(slots, 0, Number.POSITIVE_INFINITY)
  }

  ask(asker: StatementAsker): StatementLine | StatementAsk {
    const options = {
      timeoutMs: null,
      fairyOver: (checkout: Checkout<C>) => ConnectionFairy.temporary<C>(checkout),
    }
    const request = new CheckoutRequest<C>(this.#borrower, options, late => this.#pool.timeoutError(late))
    const checkout = this.#pool.checkout(request)
    if (!(checkout instanceof Promise)) return new CheckoutLine(this.#pool, checkout)
    const ask: StatementAsk = {
      get isInLine() {
        return request.phase === 'wait'
      },
      withdraw: () => request.patience.leave(notNeeded),
    }
    checkout.then(
      granted => asker.granted(ask, new CheckoutLine(this.#pool, granted)),
      (error: unknown) => asker.refused(ask, error),
    )
    return ask
  }

  timeoutError(timeoutMs: number): TimeoutError {
    return this.#pool.timeoutError({ phase: 'wait', timeoutMs, verb: 'query' })
  }

  /** The pool asks by itself; but who counts those that wait must know of these. */
  waiting(count: number, onTheWay: number): void {
    this.#pool.slots.queued = Math.max(0, count - onTheWay)
  }

  full(): QueueFullError | undefined {
    return fullQueue(this.#pool.slots, 0, queuePolicy(this.#pool.settings), 'query')
  }
}
