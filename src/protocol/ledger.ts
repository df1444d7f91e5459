/** One request that waits for its answer. */
export interface Entry {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** Held while the answer is due: what must not be collected meanwhile. */
  readonly pinned: object | undefined
  /** Where it counts as in flight: told before whoever awaits the answer. */
  readonly counter: InFlight | undefined
}

/** Counts its own requests that are in flight. */
export interface InFlight {
  inFlight: number
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

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  /** A number that no other request has. */
  nextId(): number {
    return ++this.#lastId
  }

  /** Opens a request: `send` gets its number, the promise its answer. `pinned` is held until then. */
  open(send: (id: number) => void, pinned?: object, counter?: InFlight): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.nextId()
      this.#entries.set(id, { resolve, reject, pinned, counter })
      if (counter) counter.inFlight++
      if (this.#entries.size === 1) this.#onChange(true)
      send(id)
    })
  }

  resolve(id: number, value: unknown): boolean {
    const entry = this.take(id)
    entry?.resolve(value)
    return entry !== undefined
  }

  /** False when nobody waits under this number any more. */
  reject(id: number, error: unknown): boolean {
    const entry = this.take(id)
    entry?.reject(error)
    return entry !== undefined
  }

  rejectAll(error: unknown): void {
    for (const id of [...this.#entries.keys()]) this.reject(id, error)
  }

  /** Closes a request; whoever takes it settles it. Undefined when nobody waits under this number any more. */
  take(id: number): Entry | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    this.#entries.delete(id)
    if (entry.counter) entry.counter.inFlight--
    if (this.#entries.size === 0) this.#onChange(false)
    return entry
  }
}
