/** Ticks every `ms` milliseconds while it runs. It has no timer while it stands, and never keeps the process alive. */
export class Ticker {
  readonly #ms: number
  readonly #tick: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(ms: number, tick: () => void) {
    this.#ms = ms
    this.#tick = tick
  }

  get isRunning(): boolean {
    return this.#timer !== undefined
  }

  /** The first tick is a whole interval away. Starting twice is harmless. */
  start(): void {
    if (this.#timer === undefined) this.#arm()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(): void {
    const timer = setTimeout(() => {
      // A loop that was blocked runs its timers before it reads its ports: what has arrived there meanwhile is read first. This
      // immediate may hold the loop, for the one turn; one that may not would wait until something else wakes it.
      setImmediate(() => {
        if (this.#timer !== timer) return
        this.#arm()
        this.#tick()
      })
    }, this.#ms)
    this.#timer = timer.unref()
  }
}
