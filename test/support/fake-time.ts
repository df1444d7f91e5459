import { setImmediate as turn } from 'node:timers/promises'
import { beforeAll, vi } from 'vitest'

/**
 * Time stands still in this test file and passes only by `pass()`: timers and the monotonic clock.
 * For the whole file, because a deadline that was armed by one clock must not meet the other.
 */
export function fakeTime(): void {
  beforeAll(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'hrtime'] })
  })
}

/** Lets so many milliseconds pass, with all that falls due on the way. */
export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  // A deadline acts in an immediate behind its timer.
  await turn()
  await turn()
}
