import type { MessagePort } from 'node:worker_threads'
import { asError, StaleLeaseError } from '../base/errors.ts'
import { ignore } from '../base/maybe-async.ts'
import { ConnectionFairy } from '../fairies/fairy.ts'
import type { LoanEnd } from '../fairies/loan.ts'
import type { Checkout } from '../pool/checkout.ts'
import type { Pool } from '../pool/pool.ts'
import { type Borrower, CheckoutRequest } from '../pool/request.ts'
import { exposeControl } from '../protocol/control.ts'
import { Mailbox } from '../protocol/mailbox.ts'
import { kind, type Reply, type Request, type Welcome } from '../protocol/messages.ts'
import { fromWireError, toWireError } from '../protocol/wire-error.ts'
import { fromWireValue } from '../protocol/wire-value.ts'
import { RemoteCallee } from '../transports/remote-callee.ts'
import { controlFor } from './control.ts'

/** A lease of this session: the checkout behind it, and the calls on it. */
interface Held {
  readonly checkout: Checkout<object>
  readonly callee: RemoteCallee
}

/**
 * One attached thread, as the coordinator sees it: its port, its wishes and its leases. When the port closes the thread is dead,
 * whatever killed it: all that it wished for is forgotten and all that it held is taken back.
 */
export class Session {
  readonly borrower: Borrower
  readonly #pool: Pool<object>
  readonly #mailbox: Mailbox<Reply, Request>
  readonly #held = new Map<number, Held>()
  /** Leases on their way home, which may still wait for a call that is in flight. */
  readonly #closing = new Map<Held, Promise<void>>()
  readonly #wishes = new Map<number, CheckoutRequest<object>>()
  readonly #onEnd: () => void
  #controlPort: MessagePort | undefined
  #state: 'open' | 'ended' = 'open'

  constructor(pool: Pool<object>, borrower: Borrower, port: MessagePort, onEnd: () => void) {
    this.#pool = pool
    this.borrower = borrower
    this.#onEnd = onEnd
    const { useThreadlocal, traceCheckouts, timeoutMs, poolSize } = pool.settings
    const { name, methods } = pool.dialect
    const welcome: Welcome = {
      session: borrower.session,
      buffer: pool.slots.share(),
      useThreadlocal,
      traceCheckouts,
      timeoutMs,
      poolSize,
      dialect: name,
      methods: methods && [...methods],
    }
    port.postMessage(welcome)
    const owner = {
      receive: (request: Request) => this.#receive(request),
      unsendable: (reply: Reply, error: unknown) => this.#unsendable(reply, error),
      closed: () => this.end(),
    }
    this.#mailbox = new Mailbox<Reply, Request>(port, owner, 'immediate')
  }

  /** Ends the session: by the death of its thread, or because the pool is shared no more. Settles when every lease has been taken back. */
  async end(): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#mailbox.close()
    this.#controlPort?.close()
    const gone = new StaleLeaseError('The session has ended.')
    for (const request of this.#wishes.values()) request.patience.leave(gone)
    this.#wishes.clear()
    const ends = [...this.#held.values()].map(({ checkout }) => this.#quietly(checkout.die()))
    this.#held.clear()
    for (const [{ checkout }, closed] of this.#closing) ends.push(this.#quietly(checkout.die()), closed)
    await Promise.all(ends)
    this.#onEnd()
  }

  /** Every message is looked at here; one that is wrong gets an error, and costs nobody else anything. */
  #receive(request: Request): void {
    try {
      this.#handle(request)
    } catch (error) {
      this.#refuse(request, error)
    }
  }

  #handle(request: Request): void {
    switch (request[0]) {
      case kind.connect:
        return this.#connect(request[1], request[2])
      case kind.leave:
        return this.#leave(request[1])
      case kind.call: {
        const [, id, lease, target, method, args, buffers] = request
        fromWireValue(args, buffers)
        return this.#lease(lease).callee.call(id, target, method, args)
      }
      case kind.end:
        return this.#end(request[1], request[2], request[3])
      case kind.invalidate: {
        const [, id, lease, error, soft] = request
        return this.#acknowledge(id, this.#lease(lease).checkout.invalidate(error && fromWireError(error), soft))
      }
      case kind.detach:
        return this.#acknowledge(request[1], this.#lease(request[2]).checkout.detach())
      case kind.cursor:
        return this.#lease(request[2]).callee.cursor(request[1], request[3])
      case kind.read:
        return this.#lease(request[2]).callee.read(request[1], request[3], request[4])
      case kind.release:
        return this.#held.get(request[1])?.callee.release(request[2])
      case kind.control:
        this.#controlPort = request[1]
        return exposeControl(
          controlFor(this.#pool, lease => this.#lease(lease).checkout),
          request[1],
        )
      default:
        request satisfies never
    }
  }

  #connect(id: number, timeoutMs: number | null | undefined): void {
    const request = new CheckoutRequest<object>(
      this.borrower,
      {
        timeoutMs: timeoutMs === undefined ? this.#pool.settings.timeoutMs : timeoutMs,
        fairyOver: checkout => ConnectionFairy.temporary(checkout),
      },
      late => this.#pool.timeoutError(late),
    )
    const checkout = this.#pool.checkout(request)
    if (!(checkout instanceof Promise)) return this.#grant(id, checkout)
    this.#wishes.set(id, request)
    checkout.then(
      granted => {
        this.#fulfil(id, request)
        this.#grant(id, granted)
      },
      (error: unknown) => {
        this.#fulfil(id, request)
        this.#mailbox.post([kind.failure, id, toWireError(error)])
      },
    )
  }

  #fulfil(id: number, request: CheckoutRequest<object>): void {
    request.patience.end()
    this.#wishes.delete(id)
  }

  #grant(id: number, checkout: Checkout<object>): void {
    // The thread has died since it asked.
    if (this.#state === 'ended') return void this.#quietly(checkout.die())
    const callee = new RemoteCallee(
      checkout,
      () => this.#pool.dialect,
      reply => this.#mailbox.post(reply),
    )
    this.#held.set(checkout.lease, { checkout, callee })
    checkout.onEnd = reason => this.#ended(checkout.lease, callee, reason)
    this.#mailbox.post([kind.grant, id, checkout.lease])
  }

  #ended(lease: number, callee: RemoteCallee, reason: LoanEnd): void {
    this.#held.delete(lease)
    // A turn later: a call whose own failure has ended the lease is answered with that failure.
    if (reason === 'invalidated' || reason === 'died') setImmediate(() => callee.cutOff())
  }

  #leave(id: number): void {
    this.#wishes.get(id)?.patience.leave(new StaleLeaseError('The caller has left.'))
  }

  #end(id: number, lease: number, reason: 'closed' | 'collected' | 'task ended'): void {
    // Ended already, by an invalidation that crossed this message: then there is nothing to do, and nothing was done twice.
    const held = this.#held.get(lease)
    const ended = held?.checkout.end(reason)
    if (held && ended instanceof Promise) this.#follow(held, ended, id === 0)
    if (id !== 0) this.#acknowledge(id, Promise.resolve(ended))
  }

  /** A call that has not settled when its connection is home was cut off, and never will. */
  #follow(held: Held, ended: Promise<void>, isQuiet: boolean): void {
    const closed = (isQuiet ? this.#quietly(ended) : ended.catch(ignore)).then(() => {
      this.#closing.delete(held)
      held.callee.cutOff()
    })
    this.#closing.set(held, closed)
  }

  #lease(lease: number): Held {
    const held = this.#held.get(lease)
    if (held === undefined)
      throw new StaleLeaseError('This connection is closed: it has been given back, invalidated, or lost.')
    return held
  }

  #acknowledge(id: number, work: Promise<unknown>): void {
    work.then(
      () => this.#mailbox.post([kind.answer, id, undefined, undefined]),
      (error: unknown) => this.#mailbox.post([kind.failure, id, toWireError(error)]),
    )
  }

  #refuse(request: Request, error: unknown): void {
    const id = Array.isArray(request) && request[0] !== kind.release ? request[1] : 0
    if (typeof id === 'number' && id !== 0) this.#mailbox.post([kind.failure, id, toWireError(error)])
  }

  #unsendable(reply: Reply, error: unknown): void {
    if (RemoteCallee.keepUnsendable(reply)) return
    if (typeof reply[1] === 'number') this.#mailbox.post([kind.failure, reply[1], toWireError(error)])
  }

  /** For ends that nobody awaits: what fails there is logged. */
  async #quietly(work: Promise<void>): Promise<void> {
    await work.catch(error => {
      this.#pool.settings.logger.error('fairypool: a lease could not be ended cleanly.', asError(error))
    })
  }
}
