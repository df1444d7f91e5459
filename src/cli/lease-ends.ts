import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { monotonicMs } from '../base/clock.ts'
import { within } from '../base/deadlines.ts'
import type { LeaseEnd } from '../index.ts'

/** A lease's end, and when it was heard of, on the clock that all threads share. */
export interface HeardEnd extends LeaseEnd {
  readonly at: number
}

const channelName = 'fairypool:lease:end'
const patienceMs = 10_000

/** Hears how the leases of one pool end, as any observer could. */
export class LeaseEnds {
  readonly heard: HeardEnd[] = []
  readonly #pool: object
  #awaited: { readonly count: number; readonly reached: () => void } | undefined

  constructor(pool: object) {
    this.#pool = pool
    subscribe(channelName, this.#listen)
  }

  /** Settles when so many ends have been heard of, or after a while: then the list tells what is missing. */
  async until(count: number): Promise<void> {
    if (this.heard.length >= count) return
    const reached = new Promise<void>(resolve => {
      this.#awaited = { count, reached: resolve }
    })
    await within(reached, patienceMs, () => new Error('late')).catch(() => {})
  }

  close(): void {
    unsubscribe(channelName, this.#listen)
  }

  readonly #listen = (message: unknown): void => {
    const end = message as LeaseEnd
    if (end.pool !== this.#pool) return
    this.heard.push({ ...end, at: monotonicMs() })
    if (this.#awaited && this.heard.length >= this.#awaited.count) this.#awaited.reached()
  }
}
