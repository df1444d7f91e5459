/** Where a checkout was made. Capturing costs 3 µs, or 20 to 70 below a chain of awaits in code that is hot; the stack is formatted only when somebody reads it. */
export class CheckoutTrace {
  /** The stack above `connect()`: the first frame is the user's. */
  declare readonly stack: string
  /** False: taken by the way, as callers waited. Nobody has asked to be warned by it. */
  readonly isAskedFor: boolean

  constructor(caller: (...args: never[]) => unknown, isAskedFor = true) {
    Error.captureStackTrace(this, caller)
    this.isAskedFor = isAskedFor
  }

  /** The first frame: the place by which a warning is given once. */
  get place(): string {
    return this.stack.split('\n')[1]?.trim() ?? 'at an unknown place'
  }
}

/** So many milliseconds lie between two stacks that nobody has asked for. */
const sampleMs = 100

/** By the wall clock; a jump of that costs or saves a stack. */
let sampledAt = 0

/** What of a pool's settings says of which checkouts the place is remembered. */
export interface Tracing {
  readonly traceCheckouts: boolean
  readonly detectDeadlocks: boolean
}

/**
 * Where a checkout is made, if that is to be remembered: where it is asked for, of each; else of those that are made while callers
 * wait, for they may be what those wait for. Of these one in 100 milliseconds of this thread, so that a busy pool pays 0.1 %.
 */
export function traceOf(
  caller: (...args: never[]) => unknown,
  { traceCheckouts, detectDeadlocks }: Tracing,
  waiters: number,
): CheckoutTrace | undefined {
  if (traceCheckouts || detectDeadlocks) return new CheckoutTrace(caller, traceCheckouts)
  if (waiters === 0) return undefined
  const now = Date.now()
  if (Math.abs(now - sampledAt) < sampleMs) return undefined
  sampledAt = now
  return new CheckoutTrace(caller, false)
}
