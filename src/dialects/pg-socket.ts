import { Socket, type SocketConstructorOpts } from 'node:net'
import type { Client } from 'pg'
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
    this.resume()
  }

  /** This thread has stopped reading when this returns: another may. */
  rest(): void {
    if (!this.#isReading) return
    this.#isReading = false
    this.pause()
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

/** A client's socket, if it is one that can be handed over. */
export function socketOf(client: Client): PgSocket | undefined {
  const { stream } = (client as unknown as { readonly connection: { readonly stream: unknown } }).connection
  return stream instanceof PgSocket ? stream : undefined
}
