import { InvalidRequestError, takenAway } from '../base/errors.ts'
import { shown } from '../base/holder.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import type { BatchReader } from '../dialects/dialect.ts'
import type { InfoMap, Loan, ResetAgent } from '../fairies/loan.ts'
import { warnLost } from '../observe/checkout-warnings.ts'
import type { CheckoutTrace } from '../observe/trace.ts'
import type { InFlight } from '../protocol/ledger.ts'
import { type HeldFacts, kind, type RemoteEnd } from '../protocol/messages.ts'
import { toWireError } from '../protocol/wire-error.ts'
import { tableFlag } from '../slots/layout.ts'
import { slotOfLease, wordOfLease } from '../slots/state.ts'
import { RemoteInfo } from './remote-info.ts'
import { taskOf } from './task-scope.ts'
import type { Wire } from './wire.ts'

/** A lease by number: what stands behind a fairy in a worker, whoever runs the driver. */
export abstract class Lease<C extends object> implements Loan<C>, InFlight {
  readonly lease: number
  place = -1
  readonly generation: number
  protected readonly wire: Wire
  protected readonly trace: CheckoutTrace | undefined
  protected state: 'lent' | 'detached' | 'ended' = 'lent'
  /** Requests to the coordinator that have not been answered. */
  inFlight = 0

  constructor(wire: Wire, lease: number, trace: CheckoutTrace | undefined) {
    this.wire = wire
    this.lease = lease
    this.generation = wire.table.generation(slotOfLease(lease))
    this.trace = trace
  }

  abstract get connection(): C | undefined
  abstract member(name: string | symbol, fairy: object): unknown
  abstract read(args: readonly unknown[]): MaybePromise<BatchReader>
  abstract end(reason: RemoteEnd): MaybePromise<void>

  /** The text of the last statement that this thread has sent over it by itself. */
  statement: string | undefined

  noteSince(ms: number): void {
    const { notes } = this.wire.table
    if (this.state === 'lent') notes.noteSince(slotOfLease(this.lease), wordOfLease(this.lease), ms)
  }

  /** What this thread can say of it to whoever asks; undefined: it is another pool's, or in no slot. */
  factsFor(wire: Wire): HeldFacts | undefined {
    if (this.wire !== wire || this.state !== 'lent') return undefined
    const { lease, statement, trace } = this
    return {
      lease,
      task: taskOf(this as unknown as Loan<object>),
      stack: trace?.stack,
      statement: statement && shown(statement),
    }
  }

  /** Read from the slot itself: an invalidation by the coordinator is seen at once, without a message. */
  get isOut(): boolean {
    if (this.state === 'ended' || this.wire.lost) return false
    return this.state === 'detached' || this.isCurrent
  }

  get isValid(): boolean {
    return this.isOut
  }

  /** True as long as the slot is lent by just this lease. */
  protected get isCurrent(): boolean {
    return this.wire.table.word(slotOfLease(this.lease)) === wordOfLease(this.lease)
  }

  get info(): InfoMap | undefined {
    return this.isValid ? new RemoteInfo(this.wire, this.lease, 'info') : undefined
  }

  get recordInfo(): InfoMap | undefined {
    return this.isValid && this.state === 'lent' ? new RemoteInfo(this.wire, this.lease, 'recordInfo') : undefined
  }

  get resetAgent(): ResetAgent | undefined {
    return undefined
  }

  set resetAgent(_agent: ResetAgent | undefined) {
    throw new InvalidRequestError(
      "A reset agent works on the coordinator's thread only; in a worker, end the transaction before close().",
    )
  }

  async invalidate(error: unknown, soft: boolean): Promise<void> {
    const reason = error === undefined ? undefined : toWireError(error)
    await this.wire.caller.ask(id => [kind.invalidate, id, this.lease, reason, soft], undefined, this)
    if (!soft) this.state = 'ended'
  }

  async detach(): Promise<void> {
    if (this.state !== 'lent') return
    this.checkAlive()
    // Set first: the coordinator frees the slot before its answer is here, and the fairy must not look dead meanwhile.
    this.state = 'detached'
    await this.wire.caller.ask(id => [kind.detach, id, this.lease])
  }

  /**
   * Ends the lease by a message: with an answer where somebody on the coordinator wants to see the return, or to fail it. A
   * detached connection is closed before its closer goes on.
   */
  protected endByMessage(reason: RemoteEnd, wasLent: boolean, inTransaction?: boolean): MaybePromise<void> {
    const { caller, table } = this.wire
    const isAnswered = reason === 'closed' && (!table.has(tableFlag.fastCheckin) || !wasLent)
    if (isAnswered) return caller.ask(id => [kind.end, id, this.lease, reason, inTransaction]) as Promise<void>
    caller.tell([kind.end, 0, this.lease, reason, inTransaction])
  }

  /** Its fairy was collected: nobody has closed it. */
  protected forgotten(): void {
    this.wire.forgotten++
    warnLost(this.trace)
  }

  protected checkAlive(): void {
    if (this.wire.lost) throw this.wire.lost
    if (!this.isValid) throw this.gone
  }

  /** What is told to whoever uses it when it is over. */
  protected get gone(): Error {
    if (this.wire.lost) return this.wire.lost
    // Said in the slot: the thread may have been blocked since, and have read no message.
    const isTaken =
      this.state === 'lent' && this.wire.table.notes.isTaken(slotOfLease(this.lease), wordOfLease(this.lease))
    if (isTaken) return takenAway()
    return new InvalidRequestError('This connection is closed: it has been given back, invalidated, or lost.')
  }
}
