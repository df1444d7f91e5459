import { EventEmitter } from 'node:events'
import type { MessagePort } from 'node:worker_threads'

/** One end of a port in one thread, whose messages arrive when the test says so, one post at a time and in their order. */
export class SlowPort extends EventEmitter {
  /** Posts that are on their way to this end. */
  readonly inbox: unknown[] = []
  #other!: SlowPort
  #state: 'open' | 'closed' = 'open'

  static pair(): readonly [SlowPort, SlowPort] {
    const [one, two] = [new SlowPort(), new SlowPort()]
    one.#other = two
    two.#other = one
    return [one, two]
  }

  get port(): MessagePort {
    return this as unknown as MessagePort
  }

  postMessage(message: unknown): void {
    if (this.#state === 'open') this.#other.inbox.push(message)
  }

  /** The oldest post arrives; false if there is none. */
  deliver(): boolean {
    if (this.inbox.length === 0) return false
    this.emit('message', this.inbox.shift())
    return true
  }

  /** Both ends hear of it, after all that was posted before. */
  close(): void {
    if (this.#state === 'closed') return
    for (const end of [this, this.#other]) {
      while (end.deliver());
      end.#state = 'closed'
      setImmediate(() => end.emit('close'))
    }
  }

  /** This end's thread dies: it hears nothing any more. What it has said still arrives, and then the other end hears of it. */
  kill(): void {
    this.removeAllListeners()
    this.#state = 'closed'
    this.inbox.length = 0
    const other = this.#other
    while (other.deliver());
    other.#state = 'closed'
    setImmediate(() => other.emit('close'))
  }

  /** For what comes along with messages: here nothing does. */
  addEventListener(): void {}
  ref(): void {}
  unref(): void {}
}
