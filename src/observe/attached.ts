import type { TransportInUse } from './status.ts'

/** What is known of a pool's attached threads as a whole: how each reaches its connections, and how many of their messages were refused. */
export class Attached implements Iterable<TransportInUse> {
  readonly #transports = new Set<TransportInUse>()
  refused = 0

  add(transport: TransportInUse): void {
    this.#transports.add(transport)
  }

  delete(transport: TransportInUse): void {
    this.#transports.delete(transport)
  }

  [Symbol.iterator](): Iterator<TransportInUse> {
    return this.#transports.values()
  }
}
