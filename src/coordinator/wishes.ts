import { InvalidRequestError, StaleLeaseError } from '../base/errors.ts'
import type { Borrower } from '../fairies/borrower.ts'
import { ConnectionFairy } from '../fairies/fairy.ts'
import type { Checkout } from '../pool/checkout.ts'
import type { Pool } from '../pool/pool.ts'
import { CheckoutRequest, notNeeded } from '../pool/request.ts'
import { fullTimeoutError } from '../pool/timeout-report.ts'
import { kind, type LateReport } from '../protocol/messages.ts'
import { mostPending } from '../protocol/request-check.ts'
import { toWireError } from '../protocol/wire-error.ts'
import { tableFlag } from '../slots/layout.ts'
import type { ReplySender } from '../transports/remote-callee.ts'

/** Told of each checkout that a wish has come to. `isOffer`: it can be taken back until the thread accepts it in the slot. */
export type Grant = (id: number, checkout: Checkout<object>, isOffer: boolean) => void

/** What one attached thread has asked the pool for and not been given yet. */
export class Wishes {
  readonly #pool: Pool<object>
  readonly #borrower: Borrower
  readonly #reply: ReplySender
  readonly #grant: Grant
  /** By number. */
  readonly #requests = new Map<number, CheckoutRequest<object>>()
  /** Asks of the thread's queue for which a connection is on its way. */
  readonly #served = new Set<number>()

  constructor(pool: Pool<object>, borrower: Borrower, reply: ReplySender, grant: Grant) {
    this.#pool = pool
    this.#borrower = borrower
    this.#reply = reply
    this.#grant = grant
  }

  /** An ask of the thread's queue. How long its callers wait is the thread's own business: it leaves when none is left. */
  ask(id: number): void {
    const { session } = this.#borrower
    // Its callers have served each other since: what it was given now might lie there as long as the thread sleeps.
    if (this.#pool.slots.sessions.waiting(session) > 0) this.#add(id, null)
    else this.#reply([kind.dismissed, id])
  }

  /** One caller that wants a connection now or never. */
  demand(id: number): void {
    this.#add(id, 0)
  }

  leave(id: number): void {
    const request = this.#requests.get(id)
    if (request) request.patience.leave(new StaleLeaseError('The caller has left.'))
    // Granted already, to a thread that may be asleep before it reads that.
    else this.#pool.serveWaiters()
  }

  /** The caller has just left its queue, and still counts as one that waits. */
  explain([, id, timeoutMs, ask, verb]: LateReport): void {
    const phase = this.#requests.get(ask)?.phase ?? 'wait'
    const tell = (error: unknown): void => this.#reply([kind.failure, id, toWireError(error)])
    fullTimeoutError(this.#pool, { phase, timeoutMs, verb }, 1).then(tell, tell)
  }

  clear(reason: Error): void {
    for (const request of this.#requests.values()) request.patience.leave(reason)
    this.#requests.clear()
  }

  #add(id: number, timeoutMs: 0 | null): void {
    if (this.#requests.size >= mostPending)
      throw new InvalidRequestError(`${mostPending} wishes of this thread wait already, and that is the most.`)
    const options = {
      timeoutMs,
      fairyOver: (checkout: Checkout<object>) => ConnectionFairy.temporary(checkout),
      served: timeoutMs === null ? (isServed: boolean) => this.#serve(id, isServed) : undefined,
    }
    const request = new CheckoutRequest<object>(this.#borrower, options, late => this.#pool.timeoutError(late))
    // An offer can be taken back, as nobody has been shown it yet, but by the channels.
    const grant = (checkout: Checkout<object>): void => this.#grant(id, checkout, timeoutMs === null && this.#mayOffer)
    const checkout = this.#pool.checkout(request)
    if (!(checkout instanceof Promise)) return grant(checkout)
    this.#requests.set(id, request)
    checkout.then(
      granted => {
        // On offer first: until then he counts as one that waits.
        grant(granted)
        this.#fulfil(id, request)
      },
      (error: unknown) => {
        this.#fulfil(id, request)
        this.#reply(error === notNeeded ? [kind.dismissed, id] : [kind.failure, id, toWireError(error)])
      },
    )
  }

  /** While one ask is opened for, the thread's next caller must stand in the queue here, or nobody hands it what comes home. */
  #serve(id: number, isServed: boolean): void {
    const { sessions } = this.#pool.slots
    const { session } = this.#borrower
    this.#served[isServed ? 'add' : 'delete'](id)
    sessions.setServed(session, this.#served.size)
    if (isServed && this.#mayOffer && sessions.waiting(session) > this.#served.size) this.#reply([kind.dismissed, 0])
  }

  get #mayOffer(): boolean {
    const decisive = tableFlag.fastCheckout | tableFlag.watched | tableFlag.pinged
    return (this.#pool.slots.flags & decisive) === tableFlag.fastCheckout
  }

  #fulfil(id: number, request: CheckoutRequest<object>): void {
    request.patience.end()
    this.#requests.delete(id)
    if (this.#served.delete(id)) this.#pool.slots.sessions.setServed(this.#borrower.session, this.#served.size)
  }
}
