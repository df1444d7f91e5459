import { channel } from 'node:diagnostics_channel'

/** Published on the coordinator's thread as a lease begins. */
export interface LeaseStart {
  readonly pool: object
  readonly lease: number
  readonly threadId: number
}

/** Published on the coordinator's thread as a lease ends. */
export interface LeaseEnd extends LeaseStart {
  /** How it ended: closed, collected, died, invalidated, detached, task ended, expired. */
  readonly reason: string
  /** How long it was held, in milliseconds. */
  readonly heldMs: number
}

/**
 * Diagnostics channels, silent and free while nobody subscribes. Names and shapes are public:
 * `fairypool:lease:start` carries a `LeaseStart`, `fairypool:lease:end` a `LeaseEnd`.
 */
export const leaseStartChannel = channel('fairypool:lease:start')
export const leaseEndChannel = channel('fairypool:lease:end')
