import { within } from '../base/deadlines.ts'
import { ignore } from '../base/maybe-async.ts'
import type { Lane } from '../dialects/lane.ts'

/** How long the first cancel may take to show, in milliseconds, before the next; each time twice as long. */
const firstPauseMs = 10

/**
 * Stops at the server what a lane runs, one query after another: settles when it is at rest, or broken. A cancel that overtakes
 * its query is void, so it is repeated. Fails with `late()` after `ms` milliseconds.
 */
export async function stop(lane: Lane, ms: number, late: () => Error): Promise<void> {
  const settled = lane.settled()
  let isOver = false
  const work = async (): Promise<void> => {
    for (let pause = firstPauseMs; !lane.isAtRest && !lane.isBroken && !isOver; pause *= 2) {
      await lane.cancel()
      await within(settled, pause, late).catch(ignore)
    }
  }
  await within(work(), ms, late).finally(() => {
    isOver = true
  })
}
