import { expect } from 'vitest'

/** For what no event tells, such as a server's view of its sessions: looks again until it is as expected. */
export const eventually = <T>(look: () => T): ReturnType<typeof expect.poll<Awaited<T>>> =>
  expect.poll<Awaited<T>>(look as () => Awaited<T>, { timeout: 20_000, interval: 5 })
