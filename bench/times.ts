/** Many durations, written one after another into memory that is there already. */
export class Times {
  #values: Float64Array<ArrayBuffer>
  #count = 0

  constructor(expected = 65_536) {
    this.#values = new Float64Array(expected)
  }

  get count(): number {
    return this.#count
  }

  add(value: number): void {
    if (this.#count === this.#values.length) this.#grow()
    this.#values[this.#count++] = value
  }

  /** A copy of all since the last time, which are then forgotten; the memory stays. */
  take(): Float64Array<ArrayBuffer> {
    const taken = this.#values.slice(0, this.#count)
    this.#count = 0
    return taken
  }

  #grow(): void {
    const values = new Float64Array(this.#values.length * 2)
    values.set(this.#values)
    this.#values = values
  }
}
