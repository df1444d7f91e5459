import { checkOptions, isDuration, isSignal, orNull } from '../base/checks.ts'
import { ArgumentError, TimeoutError } from '../base/errors.ts'
import { Patience } from '../base/patience.ts'

/** Options of one `query()` of a pool. */
export interface QueryOptions {
  /**
   * How long it may take in all, waiting and running. 0: fail at once where it would have to wait for a connection; null: as long
   * as it takes. Default: the pool's `timeoutMs`, for waiting only.
   */
  readonly timeoutMs?: number | null
  /** Gives up when it aborts, with its reason, waiting or running. */
  readonly signal?: AbortSignal
}

const checks = { timeoutMs: orNull(isDuration), signal: isSignal }

/** Refuses what is no statement, before anything has happened. @throws {ArgumentError} */
export function checkQuery(text: unknown, values: unknown, options: unknown): void {
  if (typeof text !== 'string') throw new ArgumentError('query(text, values, options): text must be a string.')
  if (values !== undefined && !Array.isArray(values))
    throw new ArgumentError('query(text, values, options): values must be an array.')
  if (options !== undefined) checkOptions('query options', options, checks)
}

/** How long a caller has patience with the whole of it; undefined: for ever. `late` makes the error of who has none left. */
export function patienceWith(
  { timeoutMs, signal }: QueryOptions,
  late: (timeoutMs: number) => Error,
): Patience | undefined {
  if (!timeoutMs && signal === undefined) return undefined
  // A timeout of 0 is about waiting for a place only.
  return new Patience({ timeoutMs: timeoutMs || null, signal }, () => late(timeoutMs ?? 0))
}

/** What is said of a statement that has been sent already, as far as its caller knows. */
export function queryTimeout(timeoutMs: number): TimeoutError {
  const message = `query() timed out after ${timeoutMs} ms; if the statement runs, it runs on unless it could be cancelled, and its result is dropped.`
  return new TimeoutError(message, { phase: 'query', timeoutMs })
}

/** How long it may wait for a connection, by the options: null where they say it of the whole, undefined where the pool says it. */
export function waitOf({ timeoutMs }: QueryOptions): 0 | null | undefined {
  return timeoutMs === undefined || timeoutMs === 0 ? timeoutMs : null
}
