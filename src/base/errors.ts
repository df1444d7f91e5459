import type { Holder } from './holder.ts'

/**
 * Every error class of the library. A stable `code` names the kind; far sides of a port rebuild the class by it.
 * Driver errors are never wrapped: they reach the caller as the driver threw them.
 */
export class PoolError extends Error {
  /** Stable across releases and threads; compare this, not the message. */
  get code(): string {
    return 'FAIRYPOOL_ERROR'
  }
  override get name(): string {
    return this.constructor.name
  }
}

/** An option or argument that is unknown, of the wrong type or out of range. Nothing has happened yet. */
export class ArgumentError extends PoolError {
  override get code(): string {
    return 'FAIRYPOOL_ARGUMENT'
  }
}

/** A call that makes no sense in the present state: a closed fairy, a name in use, retries exhausted. */
export class InvalidRequestError extends PoolError {
  override get code(): string {
    return 'FAIRYPOOL_INVALID_REQUEST'
  }
}

/** What was going on when a deadline passed. */
export type TimeoutPhase = 'wait' | 'connect' | 'ping' | 'checkout' | 'query' | 'reset' | 'close' | 'dispose' | 'attach'

/** How full the pool was when a deadline passed; counts of records. */
export interface TimeoutFacts {
  readonly phase: TimeoutPhase
  readonly timeoutMs: number
  readonly total?: number
  readonly idle?: number
  readonly leased?: number
  readonly waiting?: number
  /** Who has what, as far as it was known in time. */
  readonly holders?: readonly Holder[]
}

/** A deadline passed. `phase` says doing what; `cause` is the last failure to connect, if there was one. */
export class TimeoutError extends PoolError implements TimeoutFacts {
  readonly phase: TimeoutPhase
  readonly timeoutMs: number
  declare readonly total?: number
  declare readonly idle?: number
  declare readonly leased?: number
  declare readonly waiting?: number
  declare readonly holders?: readonly Holder[]
  constructor(message: string, facts: TimeoutFacts, options?: ErrorOptions) {
    super(message, options)
    this.phase = facts.phase
    this.timeoutMs = facts.timeoutMs
    Object.assign(this, facts)
  }
  override get code(): string {
    return 'FAIRYPOOL_TIMEOUT'
  }
}

/** So many wait for a connection already that nobody else may (option `maxWaiters`). Nothing has happened yet. */
export class QueueFullError extends PoolError {
  /** How many waited, in all threads. */
  readonly waiting: number
  readonly maxWaiters: number
  constructor(message: string, facts: Pick<QueueFullError, 'waiting' | 'maxWaiters'>) {
    super(message)
    this.waiting = facts.waiting
    this.maxWaiters = facts.maxWaiters
  }
  override get code(): string {
    return 'FAIRYPOOL_QUEUE_FULL'
  }
}

/**
 * Thrown by a checkout listener to say that this connection is dead: the pool replaces it and tries again.
 * With `invalidatePool` every connection opened before now is replaced as well (behaviours 207-209).
 */
export class DisconnectionError extends PoolError {
  invalidatePool = false
  override get code(): string {
    return 'FAIRYPOOL_DISCONNECTED'
  }
}

/** A `DisconnectionError` that condemns every connection opened before now (behaviour 208). */
export class InvalidatePoolError extends DisconnectionError {
  override invalidatePool = true
  override get code(): string {
    return 'FAIRYPOOL_INVALIDATE_POOL'
  }
}

/** An `AssertionPool` was asked for a second connection while the first was out; or another of its rules was broken. */
export class AssertionError extends PoolError {
  override get code(): string {
    return 'FAIRYPOOL_ASSERTION'
  }
}

/** The thread that owns the pool is gone, or has stopped sharing it. Attach again. */
export class CoordinatorLostError extends PoolError {
  override get code(): string {
    return 'FAIRYPOOL_COORDINATOR_LOST'
  }
}

/** Nobody can go on: whoever holds a connection waits for one more (`detectDeadlocks`). The youngest of them is told, and the others may go on. */
export class DeadlockError extends PoolError {
  /** All connections, with where they were checked out. */
  declare readonly holders: readonly Holder[]
  constructor(message: string, holders: readonly Holder[]) {
    super(message)
    this.holders = holders
  }
  override get code(): string {
    return 'FAIRYPOOL_DEADLOCK'
  }
}

/** A message about a lease that has ended; it has touched nobody else's. */
export class StaleLeaseError extends PoolError {
  override get code(): string {
    return 'FAIRYPOOL_STALE_LEASE'
  }
}

/** An argument can't travel between threads. The connection has not been used and is still good. */
export class NotClonableError extends PoolError {
  override get code(): string {
    return 'FAIRYPOOL_NOT_CLONABLE'
  }
}

/** The driver has no such method, or its dialect does not let workers call it. */
export class MethodNotAllowedError extends PoolError {
  override get code(): string {
    return 'FAIRYPOOL_METHOD_NOT_ALLOWED'
  }
}

/** The classes above by name: how an error that has crossed a port finds its class again. */
export const poolErrors: ReadonlyMap<string, { readonly prototype: PoolError }> = new Map<
  string,
  { readonly prototype: PoolError }
>(
  Object.entries({
    PoolError,
    ArgumentError,
    AssertionError,
    InvalidRequestError,
    TimeoutError,
    QueueFullError,
    DisconnectionError,
    InvalidatePoolError,
    CoordinatorLostError,
    DeadlockError,
    StaleLeaseError,
    NotClonableError,
    MethodNotAllowedError,
  }),
)

/** Anything that was thrown, as an Error: listeners, logs and causes can rely on it. */
export const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(textOf(thrown)))

/** Not everything has a text: an object without a prototype has none. */
function textOf(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return Object.prototype.toString.call(thrown)
  }
}

/** For whoever has a query stopped at the server, and gives that so long. */
export const noAnswerToCancel = (timeoutMs: number) => (): TimeoutError =>
  new TimeoutError(`No answer to a cancel within ${timeoutMs} ms.`, { phase: 'close', timeoutMs })

/** What is told to whoever uses a connection that has been taken away from him after `maxLeaseMs`; `heldMs`: where that is known. */
export const takenAway = (heldMs?: number, maxLeaseMs?: number): StaleLeaseError => {
  const long =
    heldMs === undefined ? 'longer than the pool allows' : `${Math.round(heldMs)} ms, and ${maxLeaseMs} is the most`
  return new StaleLeaseError(`This connection has been taken away: it was out for ${long} (maxLeaseMs).`)
}

/** The library's own impossibility: never the caller's fault. */
export const bug = (what: string): Error => new Error(`BUG: ${what}. Please report it.`)

/**
 * What a pipeline tells of a statement that was never written: its connection was lost before. The server has not heard of it,
 * so it can go over another connection. `cause`: the loss. @internal Nobody outside ever sees it.
 */
export class NotSent extends Error {
  constructor(cause: unknown) {
    super('The connection was lost before the statement was sent.', { cause })
  }
}
