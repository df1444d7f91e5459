import { InvalidRequestError } from '../base/errors.ts'
import { Listened } from './listened.ts'
import type { Pool } from './pool.ts'
import { type ShareAddress, type ShareOptions, sharing } from './sharing.ts'

/** What can be offered to other threads, where somebody has brought what knows threads. */
export abstract class Shareable<C extends object> extends Listened<C> {
  /** Lets other threads attach: those spawned from now on find it by name, others by the address returned. Idempotent. */
  share(options?: ShareOptions): ShareAddress {
    if (sharing === undefined)
      throw new InvalidRequestError("Import pools from 'fairypool' to share them with threads.")
    return sharing.share(this as unknown as Pool<object>, options)
  }

  /** Ends the sharing: attached threads lose the pool, their leases end as if they had died, and the name is free again. */
  unshare(): void {
    sharing?.unshare(this as unknown as Pool<object>)
  }
}
