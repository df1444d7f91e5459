import { Link } from '../base/chain.ts'

/** One of this thread's callers: it is told once, synchronously. */
export interface Waiter {
  readonly grant: (lease: number) => void
  readonly fail: (error: unknown) => void
}

/** A caller in the queue, and how things stood when it came: the last ask that had been sent, and the last invalidation of the pool. */
export class Arrival extends Link {
  readonly waiter: Waiter
  readonly lastAsk: number
  readonly invalidation: number
  /** When it came, where deadlocks are looked for: monotonic milliseconds. */
  readonly at: number
  /** Its number in the order of all callers who have had to wait, in all threads. */
  readonly number: number

  constructor(waiter: Waiter, lastAsk: number, invalidation: number, at: number, number: number) {
    super()
    this.number = number
    this.waiter = waiter
    this.lastAsk = lastAsk
    this.invalidation = invalidation
    this.at = at
  }
}
