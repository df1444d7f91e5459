import type { MaybePromise } from '../base/maybe-async.ts'
import type { BatchReader } from '../dialects/dialect.ts'

/** Every way in which a lease can end. All of them arrive at one function. */
export type LoanEnd = 'closed' | 'collected' | 'task ended' | 'died' | 'invalidated' | 'detached' | 'expired'

/** What a holder asks of a fairy's `info` and `recordInfo`: a Map where the record lives, promises elsewhere. */
export interface InfoMap {
  get(key: string): unknown
  set(key: string, value: unknown): unknown
  has(key: string): unknown
  delete(key: string): unknown
  clear(): unknown
}

/**
 * What stands behind a fairy: the pool's own checkout on the coordinator, a lease by number in a worker.
 * A loan never refers to its fairy, or the fairy could not be collected; only `pin` does, while a call is in flight.
 */
export interface Loan<C extends object> {
  /** Kept by `lost-fairies.ts`: where its fairy stands among the young; -1: nowhere. */
  place: number
  /** The lease's number: slot, holder and loan in one. */
  readonly lease: number
  /** The clock's reading when the connection began to open: a report of its death is judged by it, however late. */
  readonly generation: number
  /** True until the connection has been given back, invalidated or lost. */
  readonly isValid: boolean
  /** True until the loan has ended: it must be ended even if its connection is found to be gone. */
  readonly isOut: boolean
  /** The driver's own object, where this thread has it. */
  readonly connection: C | undefined
  readonly info: InfoMap | undefined
  readonly recordInfo: InfoMap | undefined
  resetAgent: ResetAgent | undefined
  /** It has been out since about then, monotonic milliseconds, and is not young any more: said in its slot. */
  noteSince?(ms: number): void
  /** A member of the driver's connection: its methods come wrapped so that `fairy` lives while a call is in flight. */
  member(name: string | symbol, fairy: object): unknown
  /** Begins to read rows in batches. */
  read(args: readonly unknown[]): MaybePromise<BatchReader>
  end(reason: 'closed' | 'collected' | 'task ended'): MaybePromise<void>
  invalidate(error: unknown, soft: boolean): MaybePromise<void>
  detach(): MaybePromise<void>
}

/** Ends a transaction in place of the dialect when the fairy goes home (behaviours 179-183). */
export interface ResetAgent {
  readonly isActive: boolean
  rollback(): MaybePromise<unknown>
  commit(): MaybePromise<unknown>
}
