import { Socket, type SocketConstructorOpts } from 'node:net'
import type { Client } from 'pg'
import { type Peek, takeByte } from '../base/descriptors.ts'
import { ignore } from '../base/maybe-async.ts'
import { PgFraming } from './pg-framing.ts'

/** Where all sockets of this thread receive: the callback has copied the bytes before the next read. */
const inbox = Buffer.allocUnsafe(65_536)

/** Not declared by Node's types, though documented for `net.createConnection()`; the constructor is what takes it there. */
interface OnRead {
  readonly onread: {
    readonly buffer: Uint8Array
    readonly callback: (length: number, bytes: Uint8Array) => boolean
  }
  /** Reading does not begin by itself. */
  readonly manualStart?: boolean
}

/**
 * A socket that several threads can have in turn, each by a descriptor of its own. With `onread`, `pause()` stops the reading
 * at once; any other socket goes on reading, and would take the bytes that are the next holder's. For the same reason nothing
 * but `attend()` may begin to read: streams do so by themselves, at a new `data` listener or a tick after `resume()`.
 */
export class PgSocket extends Socket {
  readonly #framing = new PgFraming()
  #isReading: boolean
  /** What is written while the socket is corked: a statement's messages leave as one buffer, which is cheaper than a list of five. */
  #corked: Uint8Array[] | undefined

  /** Over a descriptor that is connected already, which is read from only after `attend()`; without one, an ordinary new socket. */
  constructor(fd?: number) {
    const options: SocketConstructorOpts & OnRead = {
      ...(fd === undefined ? {} : { fd, manualStart: true }),
      onread: {
        buffer: inbox,
        callback: (length, bytes) => this.#received(Buffer.from(bytes.subarray(0, length))),
      },
    }
    super(options)
    this.#isReading = fd === undefined
  }

  /** True while this thread reads. */
  get isReading(): boolean {
    return this.#isReading
  }

  /** True when what has been read ends with a whole message. */
  get isBetweenMessages(): boolean {
    return this.#framing.isBetween
  }

  /** This thread reads from now on. */
  attend(): void {
    if (this.#isReading) return
    this.#isReading = true
    this.#start()
  }

  /** This thread has stopped reading when this returns: another may. */
  rest(): void {
    if (!this.#isReading) return
    this.#isReading = false
    this.#stop()
  }

  /** Looks whether anything is to be read. What was there is not put back: this thread reads from then on, for the rest comes after it. */
  peek(): Peek {
    const found = takeByte(handleOf(this)?.fd ?? -1)
    if (typeof found === 'string') return found
    this.attend()
    this.#received(Buffer.of(found))
    return 'talking'
  }

  override cork(): void {
    this.#corked ??= []
  }

  override uncork(): void {
    const chunks = this.#corked
    this.#corked = undefined
    if (chunks !== undefined && chunks.length > 0) super.write(Buffer.concat(chunks))
  }

  override write(...args: readonly unknown[]): boolean {
    const [chunk] = args
    if (this.#corked === undefined || !(chunk instanceof Uint8Array) || args.length > 1) {
      this.uncork()
      return Reflect.apply(super.write, this, args) as boolean
    }
    this.#corked.push(chunk)
    return true
  }

  /**
   * As `resume()` does it for a socket with `onread`, without the events and ticks of a stream: nobody reads this one but by 'data'.
   * Twice a lease, that counts.
   */
  #start(): void {
    const handle = handleOf(this)
    if (handle === null || this.connecting || handle.reading) return
    handle.reading = true
    if (handle.readStart() !== 0) this.destroy(new Error('The socket can not be read.'))
  }

  #stop(): void {
    const handle = handleOf(this)
    if (handle === null || !handle.reading) return
    handle.reading = false
    if (handle.readStop() !== 0) this.destroy(new Error('The socket could not be stopped.'))
  }

  /** What comes from now on is nobody's: it is read, so that the end is seen, and thrown away. */
  discard(): void {
    this.removeAllListeners('readable')
    this.removeAllListeners('data')
    this.on('data', ignore)
    this.attend()
    // Who had it may have paused it.
    this.resume()
  }

  /** A stream begins to read by itself, as soon as somebody listens to its data; this one only when it is told. */
  override resume(): this {
    return this.#isReading ? super.resume() : this
  }

  override read(size?: number): unknown {
    return this.#isReading ? super.read(size) : null
  }

  override _read(size: number): void {
    if (this.#isReading) super._read(size)
  }

  /** False: whoever reads chunk by chunk, as the streams of COPY do, has enough for now. Nothing may overtake what waits for him. */
  #received(chunk: Buffer): boolean {
    this.#framing.follow(chunk)
    if (this.listenerCount('data') === 0 || this.readableLength > 0) return this.push(chunk)
    this.emit('data', chunk)
    return true
  }
}

/** What Node keeps of a socket behind the stream; `net.Socket` itself starts and stops reading by it. */
interface SocketHandle {
  readonly fd?: number
  reading: boolean
  readStart(): number
  readStop(): number
}

/** Null once the socket is closed. */
export const handleOf = (socket: PgSocket): SocketHandle | null =>
  (socket as unknown as { readonly _handle: SocketHandle | null })._handle

/** A client's socket, if it is one that can be handed over. */
export function socketOf(client: Client): PgSocket | undefined {
  const { stream } = (client as unknown as { readonly connection: { readonly stream: unknown } }).connection
  return stream instanceof PgSocket ? stream : undefined
}
