import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Which way bytes go. */
export type Way = 'to server' | 'to client'

/** What becomes of a connection when it arrives: it is let through; nobody answers it; it is reset. */
type Welcome = 'let through' | 'left hanging' | 'turned away'

/** One connection through the proxy. */
class Link {
  readonly client: Socket
  readonly #proxy: FaultyProxy
  #server: Socket | undefined
  /** Bytes towards the client that may still pass. */
  #left = Number.POSITIVE_INFINITY
  #then: 'stall' | 'cut' = 'cut'
  #isForgotten = false

  constructor(proxy: FaultyProxy, client: Socket) {
    this.#proxy = proxy
    this.client = client
    client.on('error', () => {})
    client.on('data', bytes => this.#pass('to server', bytes))
    // Half open: who is silenced does not say goodbye either.
    client.on('end', () => this.#proxy.isSilent('to server') || client.end())
    client.on('close', () => this.#server?.destroy())
  }

  open(port: number): void {
    const server = connect(port, '127.0.0.1')
    this.#server = server
    server.on('error', () => {})
    server.on('data', bytes => this.#pass('to client', bytes))
    server.on('close', () => this.#isForgotten || this.#proxy.isSilent('to client') || this.client.destroy())
  }

  /** After so many more bytes towards the client. */
  limit(bytes: number, then: 'stall' | 'cut'): void {
    this.#left = bytes
    this.#then = then
  }

  /** What is between has forgotten this connection: nobody is told, and who says something next is reset. */
  forget(): void {
    this.#isForgotten = true
    this.#server?.destroy()
  }

  /** Bytes that the server has never sent. */
  forge(bytes: Uint8Array): void {
    this.client.write(bytes)
  }

  reset(): void {
    this.client.resetAndDestroy()
    this.#server?.destroy()
  }

  /** What has been taken in is kept back for `delayMs`, never lost. */
  #pass(way: Way, bytes: Buffer): void {
    if (this.#proxy.isSilent(way)) return
    const { delayMs } = this.#proxy
    if (delayMs === 0) return this.#send(way, bytes)
    setTimeout(() => this.#send(way, bytes), delayMs)
  }

  #send(way: Way, bytes: Buffer): void {
    if (way === 'to server') {
      if (this.#isForgotten) return this.reset()
      this.#server?.write(bytes)
      return
    }
    if (this.#isForgotten) return
    if (bytes.length <= this.#left) {
      this.#left -= bytes.length
      this.client.write(bytes)
      return
    }
    this.client.write(bytes.subarray(0, this.#left), () => this.#then === 'cut' && this.reset())
    this.#left = 0
  }
}

/**
 * A TCP proxy before a server that does to connections what networks do. By default it lets everything through; a fault stays
 * until it is mended. Its own loop is that of the thread it was made in.
 */
export class FaultyProxy {
  /** Where clients connect; the same after `refuse()`. */
  readonly port: number
  /** Connections that have arrived so far. Those that were refused never arrive. */
  attempts = 0
  /** When each arrived, in milliseconds of `performance.now()`. */
  readonly arrivals: number[] = []
  /** How long bytes are kept back, either way. */
  delayMs = 0
  /** Where new connections are sent; those that exist stay where they are. */
  target: number
  readonly #server: Server
  readonly #links = new Set<Link>()
  readonly #silent = new Set<Way>()
  #welcome: Welcome = 'let through'
  #limit: { readonly bytes: number; readonly then: 'stall' | 'cut' } | undefined

  private constructor(server: Server, target: number) {
    this.#server = server
    this.target = target
    this.port = (server.address() as AddressInfo).port
    server.on('connection', client => this.#arrived(client))
  }

  static async to(target: number): Promise<FaultyProxy> {
    const server = createServer({ allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new FaultyProxy(server, target)
  }

  /** Connections that exist. */
  get links(): readonly Link[] {
    return [...this.#links]
  }

  isSilent(way: Way): boolean {
    return this.#silent.has(way)
  }

  /** New connections are refused (ECONNREFUSED), until `mend()`. */
  async refuse(): Promise<void> {
    this.#server.close()
    while (this.#server.listening) await once(this.#server, 'close')
  }

  /** New connections are reset as soon as they arrive, so that they can be counted. */
  turnAway(): void {
    this.#welcome = 'turned away'
  }

  /** New connections are accepted, and nobody says a word to them. */
  leaveHanging(): void {
    this.#welcome = 'left hanging'
  }

  /** Bytes are taken and thrown away: both ways, or one. */
  silence(...ways: readonly Way[]): void {
    for (const way of ways.length === 0 ? (['to server', 'to client'] as const) : ways) this.#silent.add(way)
  }

  /** New connections stall, or are reset, after so many bytes from the server. */
  limitNew(bytes: number, then: 'stall' | 'cut'): void {
    this.#limit = { bytes, then }
  }

  /** Existing connections are forgotten, as by a firewall that has seen nothing of them for long. */
  forgetAll(): void {
    for (const link of this.#links) link.forget()
  }

  /** Existing connections are reset. */
  resetAll(): void {
    for (const link of this.#links) link.reset()
  }

  /** All is well from now on, but for what has been lost. */
  async mend(): Promise<void> {
    this.#welcome = 'let through'
    this.#silent.clear()
    this.#limit = undefined
    this.delayMs = 0
    if (this.#server.listening) return
    this.#server.listen(this.port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  close(): void {
    for (const link of this.#links) link.reset()
    this.#server.close()
  }

  #arrived(client: Socket): void {
    this.attempts++
    this.arrivals.push(performance.now())
    if (this.#welcome === 'turned away') {
      client.on('error', () => {})
      client.resetAndDestroy()
      return
    }
    const link = new Link(this, client)
    this.#links.add(link)
    client.on('close', () => this.#links.delete(link))
    if (this.#limit) link.limit(this.#limit.bytes, this.#limit.then)
    if (this.#welcome === 'let through') link.open(this.target)
  }
}
