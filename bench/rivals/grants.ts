import pg, { type Client, type ClientConfig } from 'pg'

/** The least that lends connections: those that are free, and callers that wait for one, first come first served. */
export class Grants {
  readonly #clients: readonly Client[]
  readonly #free: number[]
  readonly #waiting: ((client: number) => void)[] = []

  private constructor(clients: readonly Client[]) {
    this.#clients = clients
    this.#free = [...clients.keys()]
  }

  static async open(database: ClientConfig, count: number): Promise<Grants> {
    const clients = Array.from({ length: count }, () => new pg.Client(database))
    await Promise.all(clients.map(client => client.connect()))
    return new Grants(clients)
  }

  /** Calls back with a connection's number, at once when one is free. */
  take(granted: (client: number) => void): void {
    const client = this.#free.pop()
    if (client === undefined) this.#waiting.push(granted)
    else granted(client)
  }

  give(client: number): void {
    const waiter = this.#waiting.shift()
    if (waiter) waiter(client)
    else this.#free.push(client)
  }

  client(number: number): Client {
    return this.#clients[number]!
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map(client => client.end()))
  }
}
