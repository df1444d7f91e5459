import { monotonicMs } from './clock.ts'

/** What a timer can be set to at most. */
const farthestMs = 2 ** 31 - 1

/** One timer, for whoever has something to do at some time that nobody waits for: it never keeps the process alive. */
export class Alarm {
  readonly #ring: () => void
  #timer: NodeJS.Timeout | undefined
  #at = Number.POSITIVE_INFINITY

  constructor(ring: () => void) {
    this.#ring = ring
  }

  /** Rings at this time of the monotonic clock. It is set to one time only: an earlier one stands, a later one gives way. */
  set(at: number): void {
    if (at >= this.#at) return
    clearTimeout(this.#timer)
    this.#at = at
    const timer = setTimeout(
      () => {
        // A loop that was blocked runs its timers before it reads its ports and sockets: see `Ticker`.
        setImmediate(() => {
          if (this.#timer !== timer) return
          this.stop()
          this.#ring()
        })
      },
      Math.min(farthestMs, Math.max(0, Math.ceil(at - monotonicMs()))),
    )
    this.#timer = timer.unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#at = Number.POSITIVE_INFINITY
  }
}
