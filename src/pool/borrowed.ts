import { InvalidRequestError } from '../base/errors.ts'
import type { BatchReader, Offer, Outcome } from '../dialects/dialect.ts'
import type { Borrower } from '../fairies/borrower.ts'
import { Calls, started } from '../fairies/calls.ts'
import type { CheckoutTrace } from '../observe/trace.ts'
import type { Attendance } from './attendance.ts'
import type { Pool } from './pool.ts'
import { quieten } from './quietening.ts'
import type { ConnectionRecord } from './record.ts'
import type { Tenure } from './tenure.ts'

/** The use of a connection that is lent: its members, calls and cursors, as long as the loan lasts. How it ends is `Checkout`'s. */
export abstract class Borrowed<C extends object> {
  readonly borrower: Borrower
  abstract readonly tenure: Tenure
  readonly trace: CheckoutTrace | undefined
  protected readonly pool: Pool<C>
  readonly calls: Calls
  protected attendance: Attendance<C> | undefined
  protected state: 'lent' | 'detached' | 'ended' = 'lent'
  /** Something of it stays here as long as it lasts: a result that could not travel. */
  protected retains = false
  /** The text of the last statement that this thread has sent over it. */
  statement: string | undefined
  /** Why it has been taken away, if it has. */
  protected taken: Error | undefined
  /** What was lent, even after the loan's end. */
  lent: C | undefined

  constructor(pool: Pool<C>, record: ConnectionRecord<C>, borrower: Borrower, trace: CheckoutTrace | undefined) {
    this.pool = pool
    this.lent = record.connection
    this.attendance = record.attendance
    this.borrower = borrower
    this.trace = trace
    this.calls = new Calls({ failed: error => this.callFailed(error), quiet: () => this.quiet() })
  }

  /** A call has failed, here or in the thread that runs the driver itself. */
  abstract callFailed(error: unknown): void

  /** Nothing is under way any more. Said before the answer is sent: whoever gets it may close at once. */
  protected abstract quiet(): void

  /** Another thread ends its lease in the slot itself, without a word: so that is where it is looked up. */
  get isValid(): boolean {
    if (this.state === 'ended' || this.lent === undefined) return false
    return this.state === 'detached' || this.tenure.isCurrent
  }

  get isOut(): boolean {
    return this.isValid
  }

  get connection(): C | undefined {
    return this.state === 'ended' ? undefined : this.lent
  }

  get isQuiet(): boolean {
    return this.calls.isQuiet
  }

  member(name: string | symbol, fairy: object): unknown {
    const connection = this.alive()
    const member: unknown = Reflect.get(connection, name, connection)
    if (typeof member !== 'function') return member
    return (...args: unknown[]) => {
      const alive = this.alive()
      this.#note(name, args)
      const result = this.calls.run(alive, member as (...args: unknown[]) => unknown, args, fairy)
      // A driver that returns itself for chaining must not hand out what is behind the fairy.
      return result === alive ? (fairy as { readonly proxy?: unknown }).proxy : result
    }
  }

  /** Calls a method for another thread, or a method of something that an earlier call returned. */
  call(target: object, name: string, args: readonly unknown[], outcome: Outcome): void {
    const connection = this.alive()
    const { dialect } = this.pool
    this.#useForOther()
    if (target === connection) this.#note(name, args)
    this.calls.start(told => {
      if (target === connection && dialect.invoke?.(connection, name, args, told)) return started
      const method: unknown = Reflect.get(target, name, target)
      return Reflect.apply(method as (...args: unknown[]) => unknown, target, args)
    }, outcome)
  }

  async read(args: readonly unknown[]): Promise<BatchReader> {
    const { dialect } = this.pool
    const connection = this.alive()
    this.#useForOther()
    if (dialect.cursor === undefined) throw new InvalidRequestError(`The dialect '${dialect.name}' has no cursors.`)
    this.#note('cursor', args)
    const reader = await dialect.cursor(connection, args)
    // The loan may have ended while the cursor was being opened; then nobody would close it.
    if (!this.isValid) await reader.close()
    this.alive()
    return this.calls.add(reader)
  }

  /** A result stays here as long as the loan lasts: its end must be heard of. */
  retain(): void {
    this.retains = true
    this.tenure.mark()
  }

  /** What the borrower's thread needs to run the driver itself; undefined: it can't. From here on this thread does not read. */
  offer(): Offer | undefined {
    this.alive()
    return this.attendance?.offer()
  }

  /** The borrower's thread has run the driver itself, and has left the session so. */
  resume(inTransaction: boolean): void {
    if (this.isValid) this.attendance?.resume(inTransaction)
  }

  quieten(): Promise<void> {
    return quieten(this.pool, this, this.lent, this.calls)
  }

  protected alive(): C {
    if (this.state === 'ended' || this.lent === undefined) {
      if (this.taken) throw this.taken
      throw new InvalidRequestError('This connection is closed: it has been given back, invalidated, or lost.')
    }
    return this.lent
  }

  #note(method: string | symbol, args: readonly unknown[]): void {
    this.statement = this.pool.dialect.textOf?.(method, args) ?? this.statement
  }

  /** Marked first: a thread's close() must not pass by what is under way, nor leave idle what this thread reads from. */
  #useForOther(): void {
    this.tenure.mark()
    this.attendance?.begin()
  }
}
