import type { TimeoutError } from '../base/errors.ts'
import type { StatementLine } from './statement-line.ts'

/** A connection that has been asked for and is not here yet. */
export interface StatementAsk {
  /** It stands in line for a place; else one is being opened or examined for it. */
  readonly isInLine: boolean
  /** It is not needed any more. A connection may come all the same, if it was on its way. */
  withdraw(): void
}

/** Who asks. Never told before `ask()` has returned. */
export interface StatementAsker {
  granted(ask: StatementAsk, line: StatementLine): void
  /** Not for one that was withdrawn. */
  refused(ask: StatementAsk, error: unknown): void
}

/** Where the connections come from that statements go over: to the pool, one borrower like any other. */
export interface StatementSource {
  /** True when a connection is idle that a borrower may have who holds so many already. */
  isAnyIdle(held: number): boolean
  /**
   * True when it is of use to stand in line for one more. `isStuck`: none that it holds will soon be free; else it looks at what is
   * idle again and again, and need not make others wait for it.
   */
  mayAsk(held: number, isStuck: boolean): boolean
  /**
   * True when somebody else waits with a better claim to a connection: a caller of `connect()` in this thread, or a thread that holds
   * fewer. So many asks stand in line that are the statements' own.
   */
  othersWait(inLine: number): boolean
  /** A connection at once, where one can be had; else it has been asked for. */
  ask(asker: StatementAsker, held: number): StatementLine | StatementAsk
  /** What is said of a statement that has waited too long. */
  timeoutError(timeoutMs: number): TimeoutError
  /** So many statements wait that no ask in line stands for; for so many of them a connection is on its way. */
  waiting(count: number, onTheWay: number): void
  /** What the last who came is told, if so many wait already that he may not. */
  full(): Error | undefined
}

/** True for a connection, false for an ask. */
export const isLine = (taken: StatementLine | StatementAsk): taken is StatementLine => 'send' in taken
