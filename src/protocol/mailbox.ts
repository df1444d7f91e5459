import type { MessagePort } from 'node:worker_threads'

/**
 * When the messages of one tick leave. `microtask`: before this thread can go to sleep in any way (Piscina blocks its idle
 * workers in `Atomics.wait` from a microtask). `immediate`: after all sockets of this turn of the event loop have been read.
 */
export type FlushTime = 'microtask' | 'immediate'

const settled = Promise.resolve()

/** So many messages of one post are received in one go: what is more waits for the next turn, so that nobody else waits for it. */
const mostAtOnce = 1000

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
  /** By message, what to do if it can't be cloned, where that is not the owner's business. */
  #unsendable = new Map<Out, () => void>()
  #state: 'idle' | 'scheduled' | 'closed' = 'idle'
  /** Posts that have not been read to their end, from this message on. */
  readonly #unread: { readonly messages: readonly (In | undefined)[]; from: number }[] = []
  #isOver = false

  constructor(port: MessagePort, owner: MailboxOwner<Out, In>, flushTime: FlushTime) {
    this.#port = port
    this.#owner = owner
    this.#flushTime = flushTime
    port.on('message', (messages: unknown) => this.#receive(messages))
    port.once('close', () => {
      if (this.#state === 'closed') return
      this.#state = 'closed'
      this.#isOver = true
      if (this.#unread.length === 0) owner.closed()
    })
    port.unref()
  }

  /** Sends a message with this tick's others, in order; `unsendable` is called if it can't be cloned. After the other end has gone, it is dropped. */
  post(message: Out, unsendable?: () => void): void {
    if (this.#state === 'closed') return
    this.#outbox.push(message)
    if (unsendable) this.#unsendable.set(message, unsendable)
    if (this.#state === 'scheduled') return
    this.#state = 'scheduled'
    // Not `queueMicrotask`: in Node it makes an async resource each time, which costs more than all the rest of this method.
    if (this.#flushTime === 'microtask') void settled.then(this.#flush)
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
    if (this.#unsendable.size > 0) this.#unsendable.clear()
  }

  #postAlone(message: Out): void {
    try {
      this.#port.postMessage([message])
    } catch (error) {
      const unsendable = this.#unsendable.get(message)
      if (unsendable) unsendable()
      else this.#owner.unsendable(message, error)
    }
  }

  /** What is no list of messages is nobody's, nor is what comes behind a gap in one: there may be four billion of them. */
  #receive(post: unknown): void {
    if (!Array.isArray(post)) return
    const messages = post as readonly (In | undefined)[]
    if (this.#unread.length === 0 && !this.#take(messages, 0)) return
    this.#unread.push({ messages, from: this.#unread.length === 0 ? mostAtOnce : 0 })
    if (this.#unread.length === 1) setImmediate(this.#goOn)
  }

  /** Receives what may be received in one go; true: there is more. */
  #take(messages: readonly (In | undefined)[], from: number): boolean {
    const end = Math.min(messages.length, from + mostAtOnce)
    for (let i = from; i < end; i++) {
      const message = messages[i]
      if (message === undefined) return false
      this.#owner.receive(message)
    }
    return end < messages.length
  }

  readonly #goOn = (): void => {
    const next = this.#unread[0]!
    if (this.#take(next.messages, next.from)) next.from += mostAtOnce
    else this.#unread.shift()
    if (this.#unread.length > 0) setImmediate(this.#goOn)
    else if (this.#isOver) this.#owner.closed()
  }
}
