import type { Outcome } from '../dialects/dialect.ts'
import type { LoanEnd } from '../fairies/loan.ts'

/** One lent connection, as the statements see it that go over it. */
export interface StatementLine {
  /** The number of its lease. */
  readonly lease: number
  /** The text of the last statement sent over it. */
  statement: string | undefined
  /** Several may be in flight, and when they are answered it may take more; else it takes one, and goes home. */
  readonly isPipelined: boolean
  /** To be replaced before it is lent again: nothing more may be put on it, or it would never come home. */
  readonly isSpent: boolean
  /** Told once, if somebody else ends the loan. */
  onEnd: ((reason: LoanEnd) => void) | undefined
  /** Sends a statement, and tells `done`, once, how it ended, when the connection is ready for what comes after it. */
  send(args: readonly unknown[], done: Outcome): void
  /** Stops what runs at the server; settles when that is over and can't hit what comes next. Absent: it can't be stopped. */
  readonly stop: (() => Promise<void>) | undefined
  /** What could not be stopped in time is cut off with its connection. */
  invalidate(error: unknown): void
  /** Nothing is in flight: the connection goes home. */
  end(): void
}
