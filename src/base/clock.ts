/**
 * Milliseconds on a clock that never jumps and that all threads of the process share: `performance.now()` counts from each
 * thread's own start, the wall clock can be set back (behaviour 153), `process.hrtime` is neither.
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

let turn: number | undefined

const turnOver = (): void => {
  turn = undefined
}

/**
 * The time at which this turn of the event loop began to ask for it, or a little later: it is read once for all that is done in one
 * stretch, such as the answers that came in one read.
 */
export function turnMs(): number {
  if (turn !== undefined) return turn
  queueMicrotask(turnOver)
  turn = monotonicMs()
  return turn
}
