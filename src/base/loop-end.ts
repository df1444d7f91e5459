import { deadlines } from './deadlines.ts'

/** What keeps a thread's event loop alive, and can be told not to for a while. */
export interface LoopHold {
  loosen(): void
  tighten(): void
}

/** Listeners to 'beforeExit' that are ours. */
let watching = 0

/**
 * Calls `told` once, when nothing keeps this thread's event loop alive any more but `hold` and the deadlines of this library: Node itself
 * finds that, and would end the thread, so it is Node that is asked. For that they are loosened; they are tightened again before
 * `told` is called, and the thread lives on. Returns what gives up; undefined: can't be asked here, for somebody else listens to
 * 'beforeExit', and would hear of an end that is none.
 */
export function whenLoopEnds(hold: LoopHold, told: () => void): (() => void) | undefined {
  if (process.listenerCount('beforeExit') > watching) return undefined
  const over = (): void => {
    watching--
    process.off('beforeExit', onEnd)
    deadlines.tighten()
    hold.tighten()
  }
  const onEnd = (): void => {
    over()
    told()
  }
  watching++
  process.on('beforeExit', onEnd)
  deadlines.loosen()
  hold.loosen()
  return over
}
