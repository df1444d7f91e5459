/** What comes first leaves first: a queue whose items nearly always leave in order, without the tables that a `Set` makes anew as they do. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  get first(): T | undefined {
    return this.#items[this.#head]
  }

  add(item: T): void {
    this.#items.push(item)
  }

  take(): T | undefined {
    const item = this.#items[this.#head]
    if (this.#head === this.#items.length) return undefined
    this.#items[this.#head++] = undefined
    this.#tidy()
    return item
  }

  /** False when it is not here. */
  delete(item: T): boolean {
    const at = this.#items.indexOf(item, this.#head)
    if (at === -1) return false
    if (at === this.#head) this.take()
    else this.#items.splice(at, 1)
    return true
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }

  /** Those that are here now, whatever leaves meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return (this.#items.slice(this.#head) as T[])[Symbol.iterator]()
  }

  #tidy(): void {
    if (this.#head === this.#items.length) {
      this.#items.length = 0
      this.#head = 0
    } else if (this.#head >= 256 && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
  }
}
