import type { MessagePort } from 'node:worker_threads'
import { CoordinatorLostError, NotClonableError } from '../base/errors.ts'
import { Ledger } from '../protocol/ledger.ts'
import { type FlushTime, Mailbox } from '../protocol/mailbox.ts'
import { kind, type Reply, type Request } from '../protocol/messages.ts'
import { fromWireError } from '../protocol/wire-error.ts'
import { fromWireValue, toWireValue } from '../protocol/wire-value.ts'

/** A result that has stayed on the coordinator, by number. */
export class StayedResult {
  readonly target: number
  constructor(target: number) {
    this.target = target
  }
}

/** The `remote` transport in a worker: requests out, answers in, and every one of them settles, by its answer or by the port's end. */
export class RemoteCaller {
  readonly #mailbox: Mailbox<Request, Reply>
  readonly #ledger: Ledger
  readonly #onGrantNobodyWants: (lease: number) => void
  readonly #onLost: (error: CoordinatorLostError) => void
  #lost: CoordinatorLostError | undefined

  constructor(
    port: MessagePort,
    onGrantNobodyWants: (lease: number) => void,
    onLost: (error: CoordinatorLostError) => void,
    flushTime: FlushTime = 'microtask',
  ) {
    this.#onGrantNobodyWants = onGrantNobodyWants
    this.#onLost = onLost
    this.#ledger = new Ledger(waiting => this.#mailbox.keepAlive(waiting))
    const owner = {
      receive: (reply: Reply) => this.#receive(reply),
      unsendable: (request: Request, error: unknown) => this.#unsendable(request, error),
      closed: () => this.#closed(),
    }
    this.#mailbox = new Mailbox<Request, Reply>(port, owner, flushTime)
  }

  /** Why the coordinator is gone, once it is. */
  get lost(): CoordinatorLostError | undefined {
    return this.#lost
  }

  /** Sends a request and settles with its answer. `pinned` is held until then. */
  ask(request: (id: number) => Request, pinned?: object): Promise<unknown> {
    if (this.#lost) return Promise.reject(this.#lost)
    return this.#ledger.open(id => this.#mailbox.post(request(id)), pinned)
  }

  /** Sends a message that has no answer. */
  tell(request: Request): void {
    this.#mailbox.post(request)
  }

  /** Hands over a port. */
  transfer(request: Request, port: MessagePort): void {
    this.#mailbox.transfer(request, port)
  }

  /** Calls a method of a lease's connection or handle; arguments keep their Buffers. */
  call(lease: number, target: number, method: string, args: readonly unknown[], pinned: object): Promise<unknown> {
    const { value, buffers, nature } = toWireValue(args)
    if (nature === 'stuck') return Promise.reject(notClonable(method))
    return this.ask(id => [kind.call, id, lease, target, method, value as readonly unknown[], buffers], pinned)
  }

  #receive(reply: Reply): void {
    switch (reply[0]) {
      case kind.grant:
        // Its caller has left, by deadline or abort, while the grant was under way.
        if (!this.#ledger.resolve(reply[1], reply[2])) this.#onGrantNobodyWants(reply[2])
        return
      case kind.answer:
        this.#ledger.resolve(reply[1], fromWireValue(reply[2], reply[3]))
        return
      case kind.failure:
        this.#ledger.reject(reply[1], fromWireError(reply[2]))
        return
      case kind.handle:
        this.#ledger.resolve(reply[1], new StayedResult(reply[2]))
        return
      default:
        reply satisfies never
    }
  }

  /** The caller of request `id` has left; its answer will be nobody's. */
  forget(id: number, reason: unknown): void {
    if (this.#ledger.reject(id, reason)) this.#mailbox.post([kind.leave, id])
  }

  #unsendable(request: Request, cause: unknown): void {
    const method = request[0] === kind.call ? request[4] : 'cursor'
    if (typeof request[1] === 'number') this.#ledger.reject(request[1], notClonable(method, cause))
  }

  #closed(): void {
    const error = new CoordinatorLostError('The thread that owns this pool has ended, or has stopped sharing it.')
    this.#lost = error
    this.#ledger.rejectAll(error)
    this.#onLost(error)
  }
}

const notClonable = (method: string, cause?: unknown): NotClonableError =>
  new NotClonableError(
    `The arguments of ${method}() can't travel to the coordinator's thread: functions, symbols and live objects can't be cloned. The connection was not used.`,
    cause === undefined ? undefined : { cause },
  )
