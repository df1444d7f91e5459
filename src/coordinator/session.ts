import type { MessagePort } from 'node:worker_threads'
import { asError, InvalidRequestError, StaleLeaseError } from '../base/errors.ts'
import { ignore } from '../base/maybe-async.ts'
import type { Borrower } from '../fairies/borrower.ts'
import type { TransportInUse } from '../observe/status.ts'
import type { Checkout } from '../pool/checkout.ts'
import { beginHandovers, obstacleToHandover } from '../pool/handing-over.ts'
import type { Pool } from '../pool/pool.ts'
import { exposeControl } from '../protocol/control.ts'
import { Mailbox } from '../protocol/mailbox.ts'
import { kind, type RemoteEnd, type Reply, type Request } from '../protocol/messages.ts'
import { closeStrayPorts } from '../protocol/stray-ports.ts'
import { fromWireError, toWireError } from '../protocol/wire-error.ts'
import { fromWireValue } from '../protocol/wire-value.ts'
import { slotFlag } from '../slots/layout.ts'
import { slotOfLease } from '../slots/state.ts'
import type { ReplySender } from '../transports/remote-callee.ts'
import { controlFor } from './control.ts'
import { type Held, Holdings } from './holdings.ts'
import { Inquiry } from './inquiry.ts'
import { Observers } from './observers.ts'
import { SessionStatements } from './session-statements.ts'
import { isControlPort, portOf, Wall } from './wall.ts'
import { takeErrands, welcomeTo } from './welcome.ts'
import { Wishes } from './wishes.ts'

/**
 * One attached thread, as the coordinator sees it: its port, its wishes and its leases. When the port closes the thread is dead,
 * whatever killed it: all that it wished for is forgotten and all that it held is taken back.
 */
export class Session {
  readonly borrower: Borrower
  readonly #pool: Pool<object>
  readonly #mailbox: Mailbox<Reply, Request>
  readonly #holdings: Holdings
  readonly #observers: Observers
  readonly #statements: SessionStatements
  /** Leases on their way home, which may still wait for a call that is in flight. */
  readonly #closing = new Map<Held, Promise<void>>()
  readonly #wishes: Wishes
  readonly #inquiry: Inquiry
  readonly #wall: Wall
  readonly #portClosed: Promise<void>
  #controlPort: MessagePort | undefined
  #transport: TransportInUse
  #state: 'open' | 'ended' = 'open'

  constructor(pool: Pool<object>, borrower: Borrower, port: MessagePort) {
    const obstacle = obstacleToHandover(pool)
    this.#pool = pool
    this.borrower = borrower
    const send: ReplySender = (reply, unsendable) => this.#mailbox.post(reply, unsendable)
    this.#holdings = new Holdings(pool, borrower.session, send)
    this.#wishes = new Wishes(pool, borrower, send, (id, checkout, isOffer) => this.#grant(id, checkout, isOffer))
    this.#inquiry = new Inquiry(() => this.#mailbox.post([kind.inquire]))
    this.#statements = new SessionStatements(pool, borrower, send, this.#holdings.encoder)
    this.#observers = new Observers(pool, notice => this.#mailbox.post([kind.notice, notice]))
    pool.slots.sessions.open(borrower.session, borrower.threadId)
    pool.lanes.heed()
    this.#wall = new Wall(pool, borrower.threadId, obstacle === undefined)
    // Before the thread hears of any connection.
    if (obstacle === undefined) beginHandovers(pool)
    port.postMessage(welcomeTo(pool, borrower.session, obstacle))
    this.#transport = { threadId: borrower.threadId, transport: 'remote', why: obstacle ?? 'it has just attached' }
    pool.transports.add(this.#transport)
    let closed = ignore
    this.#portClosed = new Promise(resolve => {
      closed = resolve
    })
    const owner = {
      receive: (request: Request) => this.#receive(request),
      unsendable: (reply: Reply, error: unknown) => this.#unsendable(reply, error),
      closed,
    }
    this.#mailbox = new Mailbox<Reply, Request>(port, owner, 'immediate')
    pool.custody.deadlocks?.join(borrower.session, {
      watch: id => this.#mailbox.post([kind.watch, id]),
      fail: (id, error) => this.#mailbox.post([kind.deadlock, id, toWireError(error)]),
    })
    pool.custody.join(borrower.session, ms => this.#inquiry.ask(ms))
    closeStrayPorts(port, isControlPort)
    takeErrands(pool, borrower, errand => this.#mailbox.post([errand]))
  }

  /** Settles when the thread is gone, or has left, and all that it held has been taken back. */
  async over(): Promise<void> {
    await this.#portClosed
    await this.#takeBack()
    // What it claimed while it was being told to leave.
    await this.#takeBack()
    this.#holdings.consignments.reclaim()
    this.#pool.sessionOver(this.borrower.session)
  }

  /** The pool is shared no more: all that the thread holds is taken back, and it is told. */
  end(): void {
    void this.#takeBack()
    this.#mailbox.post([kind.bye])
  }

  async #takeBack(): Promise<void> {
    this.#state = 'ended'
    this.#controlPort?.close()
    this.#observers.close()
    this.#pool.transports.delete(this.#transport)
    this.#pool.custody.deadlocks?.leave(this.borrower.session)
    this.#pool.custody.leave(this.borrower.session)
    this.#inquiry.end()
    this.#wishes.clear(new StaleLeaseError('The session has ended.'))
    this.#statements.clear()
    // Closed first: what is claimed after that is not claimed for good.
    this.#pool.slots.sessions.close(this.borrower.session)
    const dying = [...this.#holdings.clear(), ...[...this.#closing.keys()].map(held => held.checkout)]
    await Promise.all([...this.#closing.values(), ...dying.map(checkout => this.#quietly(checkout.die()))])
    // What it has returned by itself it may not have got round to tell.
    this.#pool.tidy()
  }

  /** Every message is looked at here; one that is wrong gets an error, and costs nobody else anything. */
  #receive(request: Request): void {
    if (this.#state === 'ended') return portOf(request)?.close()
    this.#pool.lanes.heed()
    try {
      this.#handle(this.#wall.admit(request))
    } catch (error) {
      this.#wall.refuse(request, error, answer => this.#mailbox.post(answer))
    }
  }

  #handle(request: Request): void {
    switch (request[0]) {
      case kind.ask:
        return this.#wishes.ask(request[1])
      case kind.connect:
        return this.#wishes.demand(request[1])
      case kind.late:
        return this.#wishes.explain(request)
      case kind.freed:
        return this.#pool.tidy()
      case kind.leave:
        return this.#leave(request[1])
      case kind.call: {
        const [, id, lease, target, method, args, buffers] = request
        fromWireValue(args, buffers)
        return this.#lease(lease).callee.call(id, target, method, args)
      }
      case kind.query:
        return this.#statements.run(request)
      case kind.end:
        return this.#end(request[1], request[2], request[3], request[4])
      case kind.invalidate: {
        const [, id, lease, error, soft] = request
        return this.#acknowledge(id, this.#lease(lease).checkout.invalidate(error && fromWireError(error), soft))
      }
      case kind.detach:
        return this.#acknowledge(request[1], this.#holdings.detach(request[2], this.#lease(request[2])))
      case kind.cursor:
        return this.#lease(request[2]).callee.cursor(request[1], request[3])
      case kind.read:
        return this.#lease(request[2]).callee.read(request[1], request[3], request[4])
      case kind.release:
        return this.#holdings.find(request[1])?.callee.release(request[2])
      case kind.transport:
        return this.#reaches(request[1], request[2])
      case kind.handover:
        return this.#handOver(request[1], request[2])
      case kind.adopted:
        return this.#holdings.consignments.arrived(request[1])
      case kind.failed:
        return this.#holdings.find(request[1])?.checkout.callFailed(fromWireError(request[2]))
      case kind.collected:
        return this.#pool.starvation?.collected(this.borrower.session, { reclaimed: request[1], pauseMs: request[2] })
      case kind.held:
        return this.#inquiry.answered(request[1])
      case kind.stands:
        return this.#pool.custody.deadlocks?.stands(this.borrower.session, request[1], request[2])
      case kind.control:
        return this.#control(request[1])
      default:
        request satisfies never
    }
  }

  #handOver(id: number, lease: number): void {
    this.#mailbox.post([kind.answer, id, this.#holdings.offer(lease, this.#lease(lease)), undefined])
  }

  #grant(id: number, checkout: Checkout<object>, isOffer: boolean): void {
    // The thread has died since it asked.
    if (this.#state === 'ended') return void this.#quietly(checkout.die())
    // Ended before its caller could hear of it: the slot may be another's, and is not to be marked.
    if (checkout.isValid) {
      if (isOffer) this.#pool.slots.mark(slotOfLease(checkout.lease), slotFlag.offered)
      this.#holdings.add(checkout)
    }
    this.#mailbox.post([kind.grant, id, checkout.lease, isOffer])
    // Offered first, then whether anybody waits there: the thread does it the other way round, so one of the two sees the other.
    const isNeedless = isOffer && this.#pool.slots.sessions.waiting(this.borrower.session) === 0
    if (isNeedless) setImmediate(() => this.#pool.tidy())
  }

  #leave(id: number): void {
    if (!this.#statements.leave(id)) this.#wishes.leave(id)
  }

  #reaches(transport: 'direct' | 'remote', why: string | undefined): void {
    this.#pool.transports.delete(this.#transport)
    this.#transport = { threadId: this.borrower.threadId, transport, why }
    this.#pool.transports.add(this.#transport)
  }

  #end(id: number, lease: number, reason: RemoteEnd, inTransaction: boolean | undefined): void {
    // Ended already, by an invalidation that crossed this message: then there is nothing to do, and nothing was done twice.
    const held = this.#holdings.find(lease)
    if (inTransaction !== undefined) held?.checkout.resume(inTransaction)
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
    const held = this.#holdings.find(lease)
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

  #control(port: MessagePort): void {
    if (this.#controlPort !== undefined) {
      port.close()
      throw new InvalidRequestError('This thread has a port for the control plane already.')
    }
    this.#controlPort = port
    const control = controlFor(this.#pool, this.#observers, lease => this.#lease(lease).checkout)
    exposeControl(control, port, this.#wall.refuseControl)
  }

  #unsendable(reply: Reply, error: unknown): void {
    if (typeof reply[1] === 'number') this.#mailbox.post([kind.failure, reply[1], toWireError(error)])
  }

  /** For ends that nobody awaits: what fails there is logged. */
  async #quietly(work: Promise<void>): Promise<void> {
    await work.catch(error => {
      this.#pool.log.error('a lease could not be ended cleanly.', asError(error))
    })
  }
}
