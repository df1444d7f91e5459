import type { CheckoutTrace } from './trace.ts'
import { warnOnce } from './warnings.ts'

/** A fairy was collected that nobody had closed; said where checkouts are traced, for without its place it helps nobody. */
export function warnLost(trace: CheckoutTrace | undefined): void {
  if (!trace?.isAskedFor) return
  const { place, stack } = trace
  const message = `A connection was never closed, and came back by garbage collection. It was checked out ${place}`
  warnOnce('FAIRYPOOL_LOST_FAIRY', place, message, stack)
}

/** A fairy was closed while a call of it was in flight. */
export function warnInFlight(trace: CheckoutTrace | undefined, threadId: number, timeoutMs: number): void {
  const message = `A connection was closed while a call was in flight. The call may finish within ${timeoutMs} ms, then it is cut off; await calls before close().`
  warnOnce('FAIRYPOOL_CALL_IN_FLIGHT', trace?.place ?? `thread ${threadId}`, message, trace?.stack)
}
