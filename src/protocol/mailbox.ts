import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'

/**
 * When the messages of one tick leave. `microtask`: before this thread can go to sleep in any way (Piscina blocks its idle
 * workers in `Atomics.wait` from a microtask). `immediate`: after all sockets of this turn of the event loop have been read.
 */
export type FlushTime = 'microtask' | 'immediate'

/** What a mailbox tells its owner. */
export interface MailboxOwner<Out, In> {
  receive(message: In): void
  /** This one message can't be cloned; the others of its tick have been sent. */
  unsendable(message: Out, error: unknown): void
  /** The other end is gone. Called once, after all its messages. */
  closed(): void
}

/** One end of a port, with the messages of one tick in one post. */
export class Mailbox<Out, In> {
  readonly #port: MessagePort
  readonly #owner: MailboxOwner<Out, In>
  readonly #flushTime: FlushTime
  #outbox: Out[] = []
  #state: 'idle' | 'scheduled' | 'closed' = 'idle'

  constructor(port: MessagePort, owner: MailboxOwner<Out, In>, flushTime: FlushTime) {
    this.#port = port
    this.#owner = owner
    this.#flushTime = flushTime
    port.on('message', (messages: unknown) => this.#receive(messages))
    port.once('close', () => {
      if (this.#state === 'closed') return
      this.#state = 'closed'
      owner.closed()
    })
    port.unref()
  }

  /** Sends a message with this tick's others, in order. After the other end has gone, it is dropped. */
  post(message: Out): void {
    if (this.#state === 'closed') return
    this.#outbox.push(message)
    if (this.#state === 'scheduled') return
    this.#state = 'scheduled'
    if (this.#flushTime === 'microtask') queueMicrotask(this.#flush)
    else setImmediate(this.#flush)
  }

  /** Sends a message that hands over a port, after those before it. */
  transfer(message: Out, port: MessagePort): void {
    this.#flush()
    if (this.#state !== 'closed') this.#port.postMessage([message], [port])
  }

  /** Whether this port keeps its thread alive: it does while somebody waits for an answer. */
  keepAlive(on: boolean): void {
    if (on) this.#port.ref()
    else this.#port.unref()
  }

  /** Closes both ends, after what is in the outbox. */
  close(): void {
    this.#flush()
    this.#port.close()
  }

  readonly #flush = (): void => {
    if (this.#state === 'closed') return
    this.#state = 'idle'
    if (this.#outbox.length === 0) return
    const messages = this.#outbox
    this.#outbox = []
    try {
      this.#port.postMessage(messages)
    } catch {
      // Nothing of the batch has left. One by one, so that what can't be cloned harms nobody else.
      for (const message of messages) this.#postAlone(message)
    }
  }

  #postAlone(message: Out): void {
    try {
      this.#port.postMessage([message])
    } catch (error) {
      this.#owner.unsendable(message, error)
    }
  }

  #receive(post: unknown): void {
    this.#read(post)
    // What has arrived meanwhile is read at once: fewer wake-ups, and the answers travel together.
    for (let next = receiveMessageOnPort(this.#port); next; next = receiveMessageOnPort(this.#port)) {
      this.#read(next.message)
    }
  }

  /** What is no list of messages is nobody's. */
  #read(post: unknown): void {
    if (Array.isArray(post)) for (const message of post as readonly In[]) this.#owner.receive(message)
  }
}
