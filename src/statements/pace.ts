/** A connection that has not answered for so long gets nothing more, and a statement that has taken so long is slow. */
export const slowMs = 20

/** What is in flight on one connection is to be answered within that time, at the pace of late: so long `connect()` may have to wait for it. */
const mostWaitMs = slowMs

/** The most statements in flight on one connection. */
const mostInFlight = 64

/** The pace is that of about so many statements. */
const memory = 64

/** So many texts are remembered as slow; then it begins anew. */
const mostTexts = 256

/**
 * How fast statements are answered, by what has been seen: how many may be put on one connection one behind the other, and
 * which must not have others behind them. At first, and after slow ones, one at a time; quick answers make it more.
 */
export class Pace {
  readonly #slow = new Set<string>()
  // Sums over the last answers, the older ones counting less: a mean of gaps would take the answers of one read for quick ones.
  #busyMs = mostWaitMs
  #answers = 1

  /** A statement was answered `ms` after the one before it on its connection, or after it was sent. */
  note(text: string, ms: number): void {
    this.#busyMs += Math.min(ms, slowMs) - this.#busyMs / memory
    this.#answers += 1 - this.#answers / memory
    if (ms >= slowMs) this.#noteSlow(text)
    else if (this.#slow.size > 0) this.#slow.delete(text)
  }

  /** How many statements may be in flight on one connection. */
  get depth(): number {
    return Math.max(1, Math.min(mostInFlight, Math.floor((mostWaitMs * this.#answers) / this.#busyMs)))
  }

  /** Was it slow the last time? */
  isSlow(text: string): boolean {
    return this.#slow.size > 0 && this.#slow.has(text)
  }

  #noteSlow(text: string): void {
    if (this.#slow.size === mostTexts) this.#slow.clear()
    this.#slow.add(text)
  }
}
