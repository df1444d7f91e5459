import { InvalidRequestError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import type { BatchReader } from '../dialects/dialect.ts'
import type { InfoMap, Loan, ResetAgent } from '../fairies/loan.ts'
import { warnLost } from '../observe/checkout-warnings.ts'
import type { CheckoutTrace } from '../observe/trace.ts'
import type { InFlight } from '../protocol/ledger.ts'
import { kind, type RemoteEnd } from '../protocol/messages.ts'
import { toWireError } from '../protocol/wire-error.ts'
import { tableFlag } from '../slots/layout.ts'
import { slotOfLease, wordOfLease } from '../slots/state.ts'
import { checkMethod } from '../transports/allowed.ts'
import { RemoteInfo } from './remote-info.ts'
import type { Wire } from './wire.ts'

/** A lease by number: what stands behind a fairy in a worker when the coordinator runs the driver (transport `remote`). */
export class RemoteLease<C extends object> implements Loan<C>, InFlight {
  readonly lease: number
  readonly generation: number
  readonly connection = undefined
  readonly #wire: Wire
  readonly #trace: CheckoutTrace | undefined
  #state: 'lent' | 'detached' | 'ended' = 'lent'
  /** Calls that have not been answered. */
  inFlight = 0

  constructor(wire: Wire, lease: number, trace: CheckoutTrace | undefined) {
    this.#wire = wire
    this.lease = lease
    this.generation = wire.table.generation(slotOfLease(lease))
    this.#trace = trace
  }

  /** Read from the slot itself: an invalidation by the coordinator is seen at once, without a message. */
  get isValid(): boolean {
    if (this.#state === 'ended' || this.#wire.lost) return false
    return this.#state === 'detached' || this.#wire.table.word(slotOfLease(this.lease)) === wordOfLease(this.lease)
  }

  get info(): InfoMap | undefined {
    return this.isValid ? new RemoteInfo(this.#wire, this.lease, 'info') : undefined
  }

  get recordInfo(): InfoMap | undefined {
    return this.isValid && this.#state === 'lent' ? new RemoteInfo(this.#wire, this.lease, 'recordInfo') : undefined
  }

  get resetAgent(): ResetAgent | undefined {
    return undefined
  }

  set resetAgent(_agent: ResetAgent | undefined) {
    throw new InvalidRequestError(
      "A reset agent works on the coordinator's thread only; in a worker, end the transaction before close().",
    )
  }

  /** Any name is a method here: what the driver has is known on the other side only. */
  member(name: string | symbol, fairy: object): unknown {
    if (typeof name === 'symbol') return undefined
    return (...args: unknown[]): Promise<unknown> => this.#call(name, args, fairy)
  }

  async read(args: readonly unknown[]): Promise<BatchReader> {
    const { caller } = this.#wire
    this.#checkAlive()
    const target = (await caller.ask(id => [kind.cursor, id, this.lease, args], undefined, this)) as number
    return {
      read: async () => (await caller.ask(id => [kind.read, id, this.lease, target, 'read'])) as readonly unknown[],
      // After the lease there is nothing left to close: its end has closed it.
      close: async () => {
        if (this.isValid) await caller.ask(id => [kind.read, id, this.lease, target, 'close'])
      },
    }
  }

  /**
   * By compare-and-set alone where the connection is known to be clean; or by one message, with no answer where nobody on the
   * coordinator wants to see the return, or to fail it.
   */
  end(reason: RemoteEnd): MaybePromise<void> {
    if (this.#state === 'ended') return
    const { lost, caller, lessee, table } = this.#wire
    const isLent = this.#state === 'lent'
    const answered = reason === 'closed' && (!table.has(tableFlag.fastCheckin) || !isLent)
    if (reason === 'collected') {
      this.#wire.forgotten++
      warnLost(this.#trace)
    }
    this.#state = 'ended'
    if (lost) return
    // What is still in flight may open a transaction: then the coordinator must see how it ends.
    if (isLent && this.inFlight === 0 && lessee.giveBack(this.lease)) return
    if (answered) return caller.ask(id => [kind.end, id, this.lease, reason]) as Promise<void>
    caller.tell([kind.end, 0, this.lease, reason])
  }

  async invalidate(error: unknown, soft: boolean): Promise<void> {
    const reason = error === undefined ? undefined : toWireError(error)
    await this.#wire.caller.ask(id => [kind.invalidate, id, this.lease, reason, soft], undefined, this)
    if (!soft) this.#state = 'ended'
  }

  async detach(): Promise<void> {
    if (this.#state !== 'lent') return
    this.#checkAlive()
    // Set first: the coordinator frees the slot before its answer is here, and the fairy must not look dead meanwhile.
    this.#state = 'detached'
    await this.#wire.caller.ask(id => [kind.detach, id, this.lease])
  }

  #call(method: string, args: readonly unknown[], fairy: object): Promise<unknown> {
    try {
      this.#checkAlive()
      checkMethod(method, this.#wire.welcome.methods)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#wire.caller.call(this.lease, 0, method, args, fairy, this)
  }

  #checkAlive(): void {
    if (this.#wire.lost) throw this.#wire.lost
    if (this.isValid) return
    throw new InvalidRequestError('This connection is closed: it has been given back, invalidated, or lost.')
  }
}
