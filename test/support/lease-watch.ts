import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { onTestFinished } from 'vitest'
import type { LeaseEnd, LeaseStart } from '../../src/observe/channels.ts'

/** The beginnings and ends of a pool's leases, in their order, as the diagnostics channels tell them. */
export class LeaseWatch {
  readonly starts: LeaseStart[] = []
  readonly ends: LeaseEnd[] = []

  constructor(pool: object) {
    const onStart = (message: unknown): void => {
      if ((message as LeaseStart).pool === pool) this.starts.push(message as LeaseStart)
    }
    const onEnd = (message: unknown): void => {
      if ((message as LeaseEnd).pool === pool) this.ends.push(message as LeaseEnd)
    }
    subscribe('fairypool:lease:start', onStart)
    subscribe('fairypool:lease:end', onEnd)
    onTestFinished(() => {
      unsubscribe('fairypool:lease:start', onStart)
      unsubscribe('fairypool:lease:end', onEnd)
    })
  }

  /** How the leases have ended so far. */
  get reasons(): string[] {
    return this.ends.map(end => end.reason)
  }
}
