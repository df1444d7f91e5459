import type { Pool } from './pool.ts'

/** Where a shared pool can be found: clonable, so it can be handed to a worker in `workerData` or a message. */
export interface ShareAddress {
  readonly name: string
  /** The coordinator's thread. */
  readonly threadId: number
  /** The slot table. */
  readonly buffer: SharedArrayBuffer
}

/** Options of `share()`. */
export interface ShareOptions {
  /** Needed when several pools are shared. Default 'default'. */
  readonly name?: string
}

/** How a pool is offered to other threads. The floor above brings it; a pool itself knows no threads. */
export interface Sharing {
  share(pool: Pool<object>, options: ShareOptions | undefined): ShareAddress
  unshare(pool: Pool<object>): void
}

/** Undefined where nobody has brought it: a pool then belongs to its own thread only. */
export let sharing: Sharing | undefined

/** Called once by the floor that knows threads. */
export function bringSharing(brought: Sharing): void {
  sharing = brought
}
