import { monotonicMs } from './clock.ts'
import { type Deadline, deadlines } from './deadlines.ts'

/** Options of anything that waits. */
export interface PatienceOptions {
  /** Gives up waiting this many milliseconds from now; null waits for ever. */
  readonly timeoutMs?: number | null | undefined
  /** Gives up when it aborts, with its reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * How long one caller waits: one absolute deadline and one abort signal over all the phases of its call. Timer and listener are
 * armed at the first wait only, so a call that need not wait costs neither. Whoever is watching when patience ends is told
 * synchronously, once: between that and its next line nothing can be granted to a caller who has left.
 */
export class Patience {
  readonly #at: number
  readonly #signal: AbortSignal | undefined
  readonly #late: () => unknown
  #gone: { readonly reason: unknown } | undefined
  #watcher: ((reason: unknown) => void) | undefined
  #deadline: Deadline | undefined
  #onAbort: (() => void) | undefined
  #state: 'unarmed' | 'armed' | 'ended' = 'unarmed'

  constructor({ timeoutMs, signal }: PatienceOptions, late: () => unknown) {
    this.#at = timeoutMs === null || timeoutMs === undefined ? Number.POSITIVE_INFINITY : monotonicMs() + timeoutMs
    this.#signal = signal
    this.#late = late
    if (signal?.aborted) this.#gone = { reason: signal.reason }
  }

  /** Why the caller has left, once it has. */
  get gone(): { readonly reason: unknown } | undefined {
    return this.#gone
  }

  /** Calls `onGone` when patience ends; replaces the watcher before. The caller must not be gone already. */
  watch(onGone: (reason: unknown) => void): void {
    this.#arm()
    this.#watcher = onGone
  }

  unwatch(): void {
    this.#watcher = undefined
  }

  /** `work`, or a rejection as soon as patience ends; `abandoned` is then told, and the work goes on without a caller. */
  within<T>(work: Promise<T>, abandoned?: () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const leave = (reason: unknown): void => {
        reject(reason)
        abandoned?.()
      }
      if (this.#gone) {
        work.catch(() => {})
        return leave(this.#gone.reason)
      }
      this.watch(leave)
      const settle = (): void => {
        if (this.#watcher === leave) this.unwatch()
      }
      work.then(
        value => {
          settle()
          resolve(value)
        },
        error => {
          settle()
          reject(error)
        },
      )
    })
  }

  /** The caller leaves of its own accord, as by an abort. */
  leave(reason: unknown): void {
    this.#leave(reason)
  }

  /** The call is over: timer and listener go. */
  end(): void {
    this.#state = 'ended'
    this.#watcher = undefined
    this.#deadline?.cancel()
    if (this.#onAbort) this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  #arm(): void {
    if (this.#state !== 'unarmed') return
    this.#state = 'armed'
    if (this.#signal) {
      this.#onAbort = () => this.#leave(this.#signal?.reason)
      this.#signal.addEventListener('abort', this.#onAbort, { once: true })
    }
    if (this.#at === Number.POSITIVE_INFINITY) return
    const now = monotonicMs()
    this.#deadline = deadlines.arm(Math.max(0, Math.ceil(this.#at - now)), () => this.#leave(this.#late()), now)
  }

  #leave(reason: unknown): void {
    if (this.#gone || this.#state === 'ended') return
    this.#gone = { reason }
    const watcher = this.#watcher
    this.end()
    watcher?.(reason)
  }
}
