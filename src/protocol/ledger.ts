interface Entry {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** Held while the answer is due: what must not be collected meanwhile. */
  readonly pinned: object | undefined
}

/** Requests that wait for an answer, by number. Every one settles: by its answer, or with all others when the port dies. */
export class Ledger {
  readonly #entries = new Map<number, Entry>()
  readonly #onChange: (waiting: boolean) => void
  #lastId = 0

  /** `onChange` is told when the first request begins to wait, and when the last has been answered. */
  constructor(onChange: (waiting: boolean) => void) {
    this.#onChange = onChange
  }

  /** Opens a request: `send` gets its number, the promise its answer. `pinned` is held until then. */
  open(send: (id: number) => void, pinned?: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#entries.set(id, { resolve, reject, pinned })
      if (this.#entries.size === 1) this.#onChange(true)
      send(id)
    })
  }

  resolve(id: number, value: unknown): boolean {
    return this.#take(id, entry => entry.resolve(value))
  }

  /** False when nobody waits under this number any more. */
  reject(id: number, error: unknown): boolean {
    return this.#take(id, entry => entry.reject(error))
  }

  rejectAll(error: unknown): void {
    for (const id of [...this.#entries.keys()]) this.reject(id, error)
  }

  #take(id: number, settle: (entry: Entry) => void): boolean {
    const entry = this.#entries.get(id)
    if (entry === undefined) return false
    this.#entries.delete(id)
    if (this.#entries.size === 0) this.#onChange(false)
    settle(entry)
    return true
  }
}
