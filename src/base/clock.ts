/**
 * Milliseconds on a clock that never jumps and that all threads of the process share: `performance.now()` counts from each
 * thread's own start, the wall clock can be set back (behaviour 153), `process.hrtime` is neither.
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
