/** Type and length: every message of the server begins with these five bytes; the length counts itself, not the type. */
const headerLength = 5

/**
 * Follows the messages in a stream of bytes, to know whether it stands between two of them. A thread may hand a socket on only
 * there: the next one that reads would begin in the middle of a message.
 */
export class PgFraming {
  /** Bytes of the present message's body that are still to come. */
  #ahead = 0
  /** Of a header that was cut in two: how many of its bytes are here, and the length as far as they say. */
  #seen = 0
  #length = 0

  /** True when the last byte was the end of a message. */
  get isBetween(): boolean {
    return this.#ahead === 0 && this.#seen === 0
  }

  follow(chunk: Buffer): void {
    const end = chunk.length
    let at = 0
    while (at < end) {
      if (this.#ahead > 0) {
        const step = Math.min(this.#ahead, end - at)
        this.#ahead -= step
        at += step
      } else if (this.#seen === 0 && end - at >= headerLength) {
        const next = at + 1 + chunk.readUInt32BE(at + 1)
        this.#ahead = Math.max(0, next - end)
        at = Math.min(next, end)
      } else this.#headerByte(chunk[at++]!)
    }
  }

  #headerByte(byte: number): void {
    if (this.#seen > 0) this.#length = this.#length * 256 + byte
    if (++this.#seen < headerLength) return
    this.#ahead = this.#length - (headerLength - 1)
    this.#seen = 0
    this.#length = 0
  }
}
