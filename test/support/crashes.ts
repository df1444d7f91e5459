import { expect, onTestFinished } from 'vitest'

/** From here on nothing may go uncaught in this thread until the test has ended. */
export function noCrashes(): void {
  const crashes: unknown[] = []
  const keep = (error: unknown): void => void crashes.push(error)
  process.on('uncaughtException', keep).on('unhandledRejection', keep)
  onTestFinished(() => {
    process.off('uncaughtException', keep).off('unhandledRejection', keep)
    expect(crashes, 'Nobody has caught that.').toEqual([])
  })
}
