import { monotonicMs } from '../base/clock.ts'
import { type LeaseEnd, type LeaseStart, leaseEndChannel, leaseStartChannel } from './channels.ts'

/** True when somebody observes leases. */
export const isWatched = (): boolean => leaseStartChannel.hasSubscribers || leaseEndChannel.hasSubscribers

/** Tells observers how one checkout's lease begins and ends; silent and free while there are none. */
export class LeaseNotice {
  readonly #pool: object
  readonly #threadId: number
  #since = 0

  constructor(pool: object, threadId: number) {
    this.#pool = pool
    this.#threadId = threadId
  }

  begun(lease: number): void {
    this.#since = 0
    if (!isWatched()) return
    this.#since = monotonicMs()
    leaseStartChannel.publish({ pool: this.#pool, lease, threadId: this.#threadId } satisfies LeaseStart)
  }

  /** The lease has ended at some time, without a word: of interest to those only who have been told of its beginning. */
  over(lease: number): void {
    if (this.#since !== 0) this.ended(lease, 'closed')
  }

  ended(lease: number, reason: string): void {
    if (!leaseEndChannel.hasSubscribers) return
    const facts = { pool: this.#pool, lease, threadId: this.#threadId }
    // It began before anybody observed: then nobody knows how long it was held.
    const heldMs = this.#since === 0 ? 0 : monotonicMs() - this.#since
    leaseEndChannel.publish({ ...facts, reason, heldMs } satisfies LeaseEnd)
  }
}
