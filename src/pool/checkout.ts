import { monotonicMs } from '../base/clock.ts'
import { asError, bug, InvalidRequestError, TimeoutError } from '../base/errors.ts'
import { ignore, type MaybePromise } from '../base/maybe-async.ts'
import type { BatchReader } from '../dialects/dialect.ts'
import type { Loan, LoanEnd, ResetAgent } from '../fairies/loan.ts'
import { leaseEndChannel, leaseStartChannel } from '../observe/channels.ts'
import { warnInFlight, warnLost } from '../observe/checkout-warnings.ts'
import type { CheckoutTrace } from '../observe/trace.ts'
import { leaseId, wordOfLease } from '../slots/state.ts'
import { Calls } from './calls.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'
import type { Borrower, CheckoutRequest } from './request.ts'
import { checkin, closeDetached, dispatchInvalidate, giveBack } from './returning.ts'

/**
 * One loan of one record, on the coordinator: what stands behind a fairy of this thread, and behind the lease number of a worker.
 * Whoever ends it first steps the slot away from the loan's word; everyone else then fails that step and does nothing.
 */
export class Checkout<C extends object> implements Loan<C> {
  readonly borrower: Borrower
  readonly trace: CheckoutTrace | undefined
  lease: number
  generation: number
  readonly #pool: Pool<C>
  readonly #since = monotonicMs()
  readonly #calls = new Calls(error => this.#callFailed(error))
  #record: ConnectionRecord<C> | undefined
  #connection: C | undefined
  #resetAgent: WeakRef<ResetAgent> | undefined
  #state: 'lent' | 'detached' | 'ended' = 'lent'
  /** The hard invalidation that is under way, as long as its listeners run. */
  #invalidating: Promise<void> | undefined
  /** A detached connection's own info: its record has a new one. */
  ownInfo: Map<string, unknown> | undefined
  /** Told once, when the loan has ended, and how. */
  onEnd: ((reason: LoanEnd) => void) | undefined

  constructor(pool: Pool<C>, record: ConnectionRecord<C>, request: CheckoutRequest<C>) {
    this.#pool = pool
    this.#record = record
    this.#connection = record.connection
    this.borrower = request.borrower
    this.trace = request.trace
    this.lease = leaseId(record.slot, pool.slots.word(record.slot))
    this.generation = pool.slots.generation(record.slot)
    record.current = this
    if (leaseStartChannel.hasSubscribers) leaseStartChannel.publish(this.#facts)
  }

  get isValid(): boolean {
    return this.#state !== 'ended' && this.#connection !== undefined
  }

  get connection(): C | undefined {
    return this.#state === 'ended' ? undefined : this.#connection
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

  /** True when no call is under way and no cursor is open. */
  get isQuiet(): boolean {
    return this.#calls.isQuiet
  }

  member(name: string | symbol, fairy: object): unknown {
    const connection = this.#alive()
    const member: unknown = Reflect.get(connection, name, connection)
    if (typeof member !== 'function') return member
    return (...args: unknown[]) => {
      const alive = this.#alive()
      const result = this.#calls.run(alive, member as (...args: unknown[]) => unknown, args, fairy)
      // A driver that returns itself for chaining must not hand out what is behind the fairy.
      return result === alive ? (fairy as { readonly proxy?: unknown }).proxy : result
    }
  }

  /** Calls a method for another thread, or a method of something that an earlier call returned. */
  call(target: object, name: string, args: readonly unknown[]): unknown {
    this.#alive()
    const method: unknown = Reflect.get(target, name, target)
    return this.#calls.run(target, method as (...args: unknown[]) => unknown, args, undefined)
  }

  async read(args: readonly unknown[]): Promise<BatchReader> {
    const { dialect } = this.#pool
    const connection = this.#alive()
    if (dialect.cursor === undefined) throw new InvalidRequestError(`The dialect '${dialect.name}' has no cursors.`)
    const reader = await dialect.cursor(connection, args)
    // The loan may have ended while the cursor was being opened; then nobody would close it.
    if (!this.isValid) await reader.close()
    this.#alive()
    return this.#calls.add(reader)
  }

  end(reason: Exclude<LoanEnd, 'died' | 'invalidated' | 'detached'>): MaybePromise<void> {
    if (reason === 'collected') {
      if (this.#state !== 'ended') warnLost(this.trace)
      this.resetAgent = undefined
    }
    if (this.#state === 'detached') return this.#endDetached(reason, 'polite')
    // What is being invalidated must not come home alive; only if a listener refuses that, it may.
    const invalidating = this.#state === 'lent' ? this.#invalidating : undefined
    if (invalidating) return invalidating.catch(ignore).then(() => this.end(reason))
    const record = this.#claim('returning', reason)
    if (record) return giveBack(this.#pool, this, record)
  }

  /** The borrower's thread is gone: what it ran is stopped, the connection is closed and never lent again. */
  async die(): Promise<void> {
    if (this.#state === 'detached') return this.#endDetached('died', 'abrupt')
    const error = new InvalidRequestError(`Thread ${this.borrower.threadId}, which held this connection, has ended.`)
    // On its way home already, but waiting for a call that nobody awaits any more.
    if (this.#state === 'ended') return this.#calls.doom(error)
    const record = this.#claim('closing', 'died')
    if (record) await this.#discard(record, error)
  }

  async invalidate(error: unknown, soft: boolean): Promise<void> {
    const record = this.#record
    const connection = this.#connection
    if (this.#state === 'detached') return soft ? undefined : this.#endDetached('invalidated', 'abrupt')
    if (this.#state === 'ended' || record === undefined || connection === undefined) return
    const { events, slots } = this.#pool
    // A listener that fails stops the invalidation: the connection stays lent and usable (behaviours 287, 289).
    if (soft) {
      await events.emit('softInvalidate', connection, record, error)
      return slots.markStale(record.slot)
    }
    this.#invalidating ??= this.#invalidateHard(record, connection, error).finally(() => {
      this.#invalidating = undefined
    })
    await this.#invalidating
  }

  async #invalidateHard(record: ConnectionRecord<C>, connection: C, error: unknown): Promise<void> {
    const { events } = this.#pool
    if (events.has('invalidate')) await events.emit('invalidate', connection, record, error)
    if (this.#claim('closing', 'invalidated')) await this.#close(record)
  }

  async detach(): Promise<void> {
    const connection = this.#connection
    const ownInfo = new Map(this.#record?.info)
    const record = this.#claim('closing', 'detached')
    if (record === undefined || connection === undefined) return
    this.#state = 'detached'
    this.#connection = connection
    this.#record = undefined
    this.ownInfo = ownInfo
    record.connection = undefined
    record.current = undefined
    // They were about this connection; the next one in this place must not meet them (behaviour 232).
    record.finalizeCallbacks.length = 0
    this.#pool.detached.add(this)
    await this.#pool.returnConnection(record)
    await this.#pool.events.emit('detach', connection, record)
  }

  /** During the checkout phase: this connection is dead and will be replaced in the same record. */
  async emptied(error: unknown): Promise<void> {
    const record = this.#record!
    try {
      if (record.connection) await this.#pool.events.emit('invalidate', record.connection, record, error)
    } catch (failure) {
      await this.fail(failure, 'announced')
      throw failure
    }
    await record.close('abrupt')
  }

  /** During the checkout phase: the record holds a new connection. */
  rebind(record: ConnectionRecord<C>): void {
    this.#connection = record.connection
    this.lease = leaseId(record.slot, this.#pool.slots.word(record.slot))
    this.generation = this.#pool.slots.generation(record.slot)
  }

  /** During the checkout phase: the record has gone home without a connection, and this loan with it. */
  lost(): void {
    if (this.#record?.current === this) this.#record.current = undefined
    this.#finish('invalidated')
  }

  /** During the checkout phase: the caller gets an error, and the place is free (behaviours 125, 168, 215). */
  async fail(error: unknown, event: 'unannounced' | 'announced' = 'unannounced'): Promise<void> {
    const record = this.#claim('closing', 'invalidated')
    if (record === undefined) return
    if (event === 'unannounced') await dispatchInvalidate(this.#pool, record, error)
    await this.#close(record)
  }

  /** Settles when nothing is under way, within `closeTimeoutMs`; what is still running then is cancelled at the server. */
  async quieten(): Promise<void> {
    if (this.isQuiet) return
    const timeoutMs = this.#pool.settings.closeTimeoutMs
    if (this.#calls.inFlight > 0) warnInFlight(this.trace, this.borrower.threadId, timeoutMs)
    try {
      await this.#calls.quieten(timeoutMs, () => {
        return new TimeoutError(`A call was still in flight ${timeoutMs} ms after close().`, {
          phase: 'close',
          timeoutMs,
        })
      })
    } catch (error) {
      await this.#cancel()
      throw error
    }
  }

  /** Ends the loan: one compare-and-set decides between all who would. Undefined: someone else has, or had, ended it. */
  #claim(to: 'returning' | 'closing', reason: LoanEnd): ConnectionRecord<C> | undefined {
    const record = this.#record
    if (this.#state !== 'lent' || record === undefined) return undefined
    if (this.#pool.slots.step(record.slot, wordOfLease(this.lease), to) === -1) {
      throw bug(`lease ${this.lease} was ended behind its checkout's back`)
    }
    this.#finish(reason)
    return record
  }

  #finish(reason: LoanEnd): void {
    if (reason !== 'detached') {
      this.#state = 'ended'
      this.onEnd?.(reason)
    }
    if (leaseEndChannel.hasSubscribers) {
      leaseEndChannel.publish({ ...this.#facts, reason, heldMs: monotonicMs() - this.#since })
    }
  }

  async #discard(record: ConnectionRecord<C>, error: Error): Promise<void> {
    await this.#cancel()
    await dispatchInvalidate(this.#pool, record, error)
    await this.#close(record)
  }

  async #close(record: ConnectionRecord<C>): Promise<void> {
    await record.closeConnection('abrupt')
    await checkin(this.#pool, record)
  }

  async #endDetached(reason: LoanEnd, manner: 'polite' | 'abrupt'): Promise<void> {
    const connection = this.#connection
    if (connection === undefined) return
    this.#finish(reason)
    this.#pool.detached.delete(this)
    if (reason === 'died') await this.#cancel()
    await closeDetached(this.#pool, this, connection, manner)
  }

  /** Stops at the server what this connection runs, if it runs anything; bounded, for the server may be gone. */
  async #cancel(): Promise<void> {
    const { dialect, settings } = this.#pool
    const connection = this.#connection
    const cancel = connection && dialect.cancel?.bind(dialect, connection)
    if (this.#calls.inFlight === 0 || cancel === undefined) return
    const timeoutMs = settings.closeTimeoutMs
    const late = (): Error =>
      new TimeoutError(`No answer to a cancel within ${timeoutMs} ms.`, { phase: 'close', timeoutMs })
    await this.#calls.cancel(cancel, timeoutMs, late).catch(error => {
      settings.logger.warn('fairypool: a query could not be cancelled.', asError(error))
    })
  }

  #callFailed(error: unknown): void {
    if (!this.isValid || !this.#pool.dialect.isDisconnect?.(error, this.#connection)) return
    // The first user of a broken generation reports it for all: the others are replaced at their next checkout (behaviours 21, 147).
    this.#pool.condemn(this.generation)
    this.invalidate(error, false).catch(ignore)
  }

  #alive(): C {
    if (this.#state === 'ended' || this.#connection === undefined) {
      throw new InvalidRequestError('This connection is closed: it has been given back, invalidated, or lost.')
    }
    return this.#connection
  }

  get #facts(): { readonly pool: object; readonly lease: number; readonly threadId: number } {
    return { pool: this.#pool, lease: this.lease, threadId: this.borrower.threadId }
  }
}
