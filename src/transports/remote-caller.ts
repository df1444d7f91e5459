import type { MessagePort } from 'node:worker_threads'
import { CoordinatorLostError, NotClonableError } from '../base/errors.ts'
import { type InFlight, Ledger } from '../protocol/ledger.ts'
import { Mailbox } from '../protocol/mailbox.ts'
import { kind, type PoolNotice, type Reply, type Request } from '../protocol/messages.ts'
import { RowDecoder } from '../protocol/row-coder.ts'
import { fromWireError } from '../protocol/wire-error.ts'
import { fromWireValue, toWireValue } from '../protocol/wire-value.ts'

/** A bit each. */
const reasons = { answers: 1, waiters: 2 } as const

type Reason = keyof typeof reasons

/** What a caller is told that no request of its own waits for. */
export interface CallerOwner {
  granted(id: number, lease: number, isOffer: boolean): void
  refused(id: number, error: unknown): void
  dismissed(id: number): void
  noticed(notice: PoolNotice): void
  /** This thread is to collect its garbage, and to say when it has. */
  collect(): void
  /** This thread is to say when it comes to a standstill. */
  watched(id: number): void
  /** All stand still, and its youngest caller is to fail. */
  deadlocked(id: number, error: unknown): void
  /** This thread is to say what it holds. */
  inquired(): void
  /** Connections are gone of which this thread may have something. */
  letGo(): void
  /** What stands for a result that has stayed on the coordinator under the number `target`. */
  stayed(lease: number, target: number, pinned: object): unknown
  lost(error: CoordinatorLostError): void
}

/** The `remote` transport in a worker: requests out, answers in, and every one of them settles, by its answer or by the port's end. */
export class RemoteCaller {
  readonly #mailbox: Mailbox<Request, Reply>
  readonly #ledger: Ledger
  readonly #decoder = new RowDecoder()
  readonly #owner: CallerOwner
  /** For what somebody in this thread waits: as long as that is anything, the port keeps the thread alive. */
  #reasons = 0
  #lost: CoordinatorLostError | undefined

  constructor(port: MessagePort, owner: CallerOwner) {
    this.#owner = owner
    this.#ledger = new Ledger(waiting => this.keepAlive('answers', waiting))
    const mailboxOwner = {
      receive: (reply: Reply) => this.#receive(reply),
      unsendable: (request: Request, error: unknown) => this.#unsendable(request, error),
      closed: () => this.#closed(),
    }
    this.#mailbox = new Mailbox<Request, Reply>(port, mailboxOwner, 'microtask')
  }

  /** Why the coordinator is gone, once it is. */
  get lost(): CoordinatorLostError | undefined {
    return this.#lost
  }

  /** A number for a request whose answer its owner looks out for itself. */
  nextId(): number {
    return this.#ledger.nextId()
  }

  keepAlive(reason: Reason, on: boolean): void {
    const before = this.#reasons
    this.#reasons = on ? before | reasons[reason] : before & ~reasons[reason]
    if ((before === 0) !== (this.#reasons === 0)) this.#mailbox.keepAlive(on)
  }

  /** True when no answer is awaited. */
  get isQuiet(): boolean {
    return this.#ledger.isEmpty
  }

  /** Until `tighten()`, the port does not keep the thread alive. */
  loosen(): void {
    this.#mailbox.keepAlive(false)
  }

  tighten(): void {
    this.#mailbox.keepAlive(this.#reasons !== 0)
  }

  /** Sends a request and settles with its answer. `pinned` is held until then, and `counter` counts it. */
  ask(request: (id: number) => Request, pinned?: object, counter?: InFlight): Promise<unknown> {
    if (this.#lost) return Promise.reject(this.#lost)
    return this.#ledger.open(id => this.#mailbox.post(request(id)), pinned, counter)
  }

  /** Sends a message that has no answer. */
  tell(request: Request): void {
    this.#mailbox.post(request)
  }

  /** Hands over a port. */
  transfer(request: Request, port: MessagePort): void {
    this.#mailbox.transfer(request, port)
  }

  /** Calls a method of a lease's connection or handle; arguments keep their Buffers. A result that stays behind becomes a handle. */
  call(
    lease: number,
    target: number,
    method: string,
    args: readonly unknown[],
    pinned: object,
    counter?: InFlight,
  ): Promise<unknown> {
    const { value, buffers, nature } = toWireValue(args)
    if (nature === 'stuck') return Promise.reject(notClonable(method))
    const request = (id: number): Request => [
      kind.call,
      id,
      lease,
      target,
      method,
      value as readonly unknown[],
      buffers,
    ]
    return this.ask(request, pinned, counter)
  }

  #receive(reply: Reply): void {
    switch (reply[0]) {
      case kind.grant:
        if (!this.#ledger.resolve(reply[1], reply[2])) this.#owner.granted(reply[1], reply[2], reply[3])
        return
      case kind.dismissed:
        return this.#owner.dismissed(reply[1])
      case kind.notice:
        return this.#owner.noticed(reply[1])
      case kind.collect:
        return this.#owner.collect()
      case kind.inquire:
        return this.#owner.inquired()
      case kind.letGo:
        return this.#owner.letGo()
      case kind.watch:
        return this.#owner.watched(reply[1])
      case kind.deadlock:
        return this.#owner.deadlocked(reply[1], fromWireError(reply[2]))
      case kind.bye:
        this.#closed()
        return this.#mailbox.close()
      case kind.answer:
        this.#ledger.resolve(reply[1], fromWireValue(reply[2], reply[3]))
        return
      case kind.rows:
        this.#ledger.resolve(reply[1], this.#decoder.decode(reply[2]))
        return
      case kind.failure:
        return this.#failed(reply[1], fromWireError(reply[2]))
      case kind.handle:
        return this.#stayed(reply[1], reply[2], reply[3])
      default:
        reply satisfies never
    }
  }

  /** The caller of request `id` has left; its answer will be nobody's. */
  forget(id: number, reason: unknown): void {
    if (this.#ledger.reject(id, reason)) this.#mailbox.post([kind.leave, id])
  }

  #unsendable(request: Request, cause: unknown): void {
    const method = request[0] === kind.call ? request[4] : request[0] === kind.query ? 'query' : 'cursor'
    if (typeof request[1] === 'number') this.#ledger.reject(request[1], notClonable(method, cause))
  }

  #stayed(id: number, target: number, lease: number): void {
    const entry = this.#ledger.take(id)
    if (entry) entry.resolve(this.#owner.stayed(lease, target, entry.pinned!))
  }

  #failed(id: number, error: unknown): void {
    if (!this.#ledger.reject(id, error)) this.#owner.refused(id, error)
  }

  #closed(): void {
    if (this.#lost) return
    const error = new CoordinatorLostError('The thread that owns this pool has ended, or has stopped sharing it.')
    this.#lost = error
    this.#ledger.rejectAll(error)
    this.#owner.lost(error)
  }
}

const notClonable = (method: string, cause?: unknown): NotClonableError =>
  new NotClonableError(
    `The arguments of ${method}() can't travel to the coordinator's thread: functions, symbols and live objects can't be cloned. The connection was not used.`,
    cause === undefined ? undefined : { cause },
  )
