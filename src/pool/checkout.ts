import { InvalidRequestError } from '../base/errors.ts'
import { ignore, type MaybePromise } from '../base/maybe-async.ts'
import type { Borrower } from '../fairies/borrower.ts'
import type { Loan, LoanEnd, ResetAgent } from '../fairies/loan.ts'
import { warnLost } from '../observe/checkout-warnings.ts'
import { LeaseNotice } from '../observe/lease-notice.ts'
import type { CheckoutTrace } from '../observe/trace.ts'
import { slotFlag } from '../slots/layout.ts'
import { wordOfLease } from '../slots/state.ts'
import { Borrowed } from './borrowed.ts'
import { invalidateSoftly } from './invalidating.ts'
import type { Pool } from './pool.ts'
import { abandon, cancel, stopInvalidated } from './quietening.ts'
import type { ConnectionRecord } from './record.ts'
import { announceInvalidation, checkin, closeAndCheckin, closeDetached, giveBack } from './returning.ts'
import { Tenure } from './tenure.ts'

/**
 * One loan of one record, on the coordinator: what stands behind a fairy of this thread, and behind the lease number of a worker.
 * Whoever ends it first steps the slot away from the loan's word; everyone else then fails that step and does nothing.
 */
export class Checkout<C extends object> extends Borrowed<C> implements Loan<C> {
  override readonly tenure: Tenure
  readonly #notice: LeaseNotice
  #record: ConnectionRecord<C> | undefined
  #resetAgent: WeakRef<ResetAgent> | undefined
  /** The hard invalidation that is under way, as long as its listeners run. */
  #invalidating: Promise<void> | undefined
  /** A detached connection's own info: its record has a new one. */
  ownInfo: Map<string, unknown> | undefined
  place = -1
  /** Told once, when the loan has ended, and how. */
  onEnd: ((reason: LoanEnd) => void) | undefined

  constructor(pool: Pool<C>, record: ConnectionRecord<C>, borrower: Borrower, trace?: CheckoutTrace, word?: number) {
    super(pool, record, borrower, trace)
    this.#record = record
    this.tenure = new Tenure(() => pool.slots, pool.seat(record, this), record.slot, borrower.session, word)
    this.#notice = new LeaseNotice(pool, borrower.threadId)
    record.current = this
    this.#notice.begun(this.lease)
  }

  get lease(): number {
    return this.tenure.lease
  }
  get generation(): number {
    return this.tenure.generation
  }

  get info(): Map<string, unknown> | undefined {
    return this.isValid ? (this.ownInfo ?? this.#record?.info) : undefined
  }

  get recordInfo(): Map<string, unknown> | undefined {
    return this.isValid ? this.#record?.recordInfo : undefined
  }

  /** Known as long as the fairy lives that holds it. */
  get resetAgent(): ResetAgent | undefined {
    return this.#resetAgent?.deref()
  }

  set resetAgent(agent: ResetAgent | undefined) {
    this.#resetAgent = agent && new WeakRef(agent)
  }

  /** The thread has made the next loan of this record without a word. True: as nothing of the old one is left, this stands for it now. */
  moveOn(word: number): boolean {
    const record = this.#record
    if (this.state !== 'lent' || record === undefined || !this.isQuiet || this.retains) return false
    this.#notice.over(this.lease)
    this.rebind(record, word)
    this.#notice.begun(this.lease)
    return true
  }

  supersede(): void {
    if (this.state === 'lent') this.#finish('closed', undefined, 'over')
  }

  noteSince(ms: number): void {
    const { slot } = this.tenure
    if (this.state === 'lent') this.pool.slots.notes.noteSince(slot, wordOfLease(this.lease), ms)
  }

  /** True when the thread has been told of this loan and has not taken it yet: it can be taken back. */
  get isOffer(): boolean {
    return this.isValid && this.pool.slots.isMarked(this.tenure.slot, slotFlag.offered)
  }

  end(reason: Exclude<LoanEnd, 'died' | 'invalidated' | 'detached' | 'expired'>): MaybePromise<void> {
    if (reason === 'collected') {
      if (this.state !== 'ended') warnLost(this.trace)
      this.resetAgent = undefined
    }
    if (this.state === 'detached') return this.#endDetached(reason, 'polite')
    // What is being invalidated must not come home alive; only if a listener refuses that, it may.
    const invalidating = this.state === 'lent' ? this.#invalidating : undefined
    if (invalidating) return invalidating.catch(ignore).then(() => this.end(reason))
    const record = this.#claim('returning', reason)
    if (record) return giveBack(this.pool, this, record)
  }

  async handBack(): Promise<void> {
    const record = this.#claim('returning', 'closed')
    if (record === undefined) return
    // Its thread may be in the middle of something, which can't be seen from here.
    if (this.#isDirect) this.pool.slots.mark(record.slot, slotFlag.lost)
    await checkin(this.pool, record, this)
  }

  /** The borrower's thread is gone: what it ran is stopped, the connection is closed and never lent again. */
  async die(): Promise<void> {
    if (this.state === 'detached') return this.#endDetached('died', 'abrupt')
    const error = new InvalidRequestError(`Thread ${this.borrower.threadId}, which held this connection, has ended.`)
    // On its way home already, but waiting for a call that nobody awaits any more.
    if (this.state === 'ended') return this.calls.doom(error)
    const record = this.#claim('closing', 'died')
    if (record === undefined) return
    await this.#stop()
    await closeAndCheckin(this.pool, record, this, { error })
  }

  async invalidate(error: unknown, soft: boolean): Promise<void> {
    const record = this.#record
    const connection = this.lent
    if (this.state === 'detached') return soft ? undefined : this.#endDetached('invalidated', 'abrupt', error)
    if (this.state === 'ended' || record === undefined || connection === undefined) return
    // A listener that fails stops the invalidation: the connection stays lent and usable (behaviours 287, 289).
    if (soft) {
      if (!this.tenure.isPresent) return
      return invalidateSoftly(this.pool, record, connection, error)
    }
    this.#invalidating ??= this.#invalidateHard(record, connection, error).finally(() => {
      this.#invalidating = undefined
    })
    await this.#invalidating
  }

  async #invalidateHard(record: ConnectionRecord<C>, connection: C, error: unknown): Promise<void> {
    const announced = announceInvalidation(this.pool, this, record, connection, error)
    if (announced) await announced
    if (this.#claim('closing', 'invalidated', error)) await closeAndCheckin(this.pool, record, this)
  }

  /** It has been out for longer than it may: what runs is stopped, the connection is closed, and whoever still uses it is told why. */
  async expire(why: Error): Promise<void> {
    this.pool.slots.notes.noteTaken(this.tenure.slot, wordOfLease(this.lease))
    const record = this.#claim('closing', 'expired', why)
    if (record === undefined) return
    this.taken = why
    await closeAndCheckin(this.pool, record, this, { error: why })
  }

  async detach(): Promise<void> {
    const connection = this.lent
    const ownInfo = new Map(this.#record?.info)
    const record = this.#claim('closing', 'detached')
    if (record === undefined || connection === undefined) return
    this.state = 'detached'
    this.lent = connection
    this.#record = undefined
    this.ownInfo = ownInfo
    if (this.tenure.closes) record.letGo()
    this.pool.detached.add(this)
    await this.pool.returnConnection(record, this)
    await this.pool.events.emit('detach', connection, record)
  }

  /** The record holds a new connection, or lends the same one anew. */
  rebind(record: ConnectionRecord<C>, word?: number): void {
    record.current = this
    this.lent = record.connection
    this.attendance = record.attendance
    this.statement = undefined
    this.tenure.renew(word)
  }

  /** During the checkout phase: the record has gone home empty, and this loan with it. */
  lost(): void {
    if (!this.tenure.isSeat) return this.#finish('invalidated')
    const record = this.#claim('returning', 'invalidated')
    if (record) void this.pool.returnConnection(record, this)
  }

  /** During the checkout phase: the caller gets an error, and the place is free (behaviours 125, 168, 215). */
  async fail(error: unknown, event: 'unannounced' | 'announced' = 'unannounced'): Promise<void> {
    const record = this.#claim('closing', 'invalidated', error)
    if (record === undefined) return
    await closeAndCheckin(this.pool, record, this, event === 'unannounced' ? { error } : undefined)
  }

  /** Ends the loan: one compare-and-set decides between all who would. Undefined: someone else has, or had, ended it. */
  #claim(to: 'returning' | 'closing', reason: LoanEnd, error?: unknown): ConnectionRecord<C> | undefined {
    const record = this.#record
    if (this.state !== 'lent' || record === undefined) return undefined
    const which = reason === 'died' || reason === 'invalidated' ? 'any' : 'exact'
    if (!this.tenure.end(to, which)) return undefined
    this.#finish(reason, error)
    return record
  }

  protected override quiet(): void {
    if (this.borrower.session === 0 || this.retains || !this.isQuiet) return
    if (this.state === 'lent' && this.tenure.isCurrent) this.#record?.assess()
  }

  #finish(reason: LoanEnd, error?: unknown, notice: 'ended' | 'over' = 'ended'): void {
    if (reason === 'invalidated' || reason === 'expired')
      stopInvalidated(this.pool, this.lent, this.calls, error, this.#isDirect)
    if (this.tenure.isSeat && this.state === 'lent') this.pool.leaveSeat(this.tenure.slot)
    if (reason !== 'detached') {
      this.state = 'ended'
      this.onEnd?.(reason)
    }
    this.#notice[notice](this.lease, reason)
  }

  async #endDetached(reason: LoanEnd, manner: 'polite' | 'abrupt', error?: unknown): Promise<void> {
    const connection = this.lent
    if (connection === undefined) return
    this.#finish(reason, error)
    this.pool.detached.delete(this)
    if (reason === 'died') await this.#stop()
    if (manner === 'polite') this.attendance?.begin()
    await closeDetached(this.pool, this, connection, manner)
  }

  /** What a thread ran by itself is known to nobody here: it is stopped whatever it was. */
  #stop(): Promise<void> {
    const { attendance } = this
    if (!attendance || !this.#isDirect) return cancel(this.pool, this.lent, this.calls)
    return abandon(this.pool, attendance, this.pool.departures.get(this.borrower.session))
  }

  get #isDirect(): boolean {
    return this.attendance?.canBeHandedOver === true && this.pool.slots.sessions.isDirect(this.borrower.session)
  }

  override callFailed(error: unknown): void {
    if (!this.isValid || !this.pool.dialect.isDisconnect?.(error, this.lent)) return
    // The first user of a broken generation reports it for all: the others are replaced at their next checkout (behaviours 21, 147).
    this.pool.condemn(this.generation)
    this.invalidate(error, false).catch(ignore)
  }
}
