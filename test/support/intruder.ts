import { MessageChannel, type MessagePort, postMessageToThread, threadId } from 'node:worker_threads'
import { kind, type Reply, type Welcome } from '../../src/protocol/messages.ts'

/** What the coordinator has answered: the kind by name, and what follows the number. */
export type Answer = readonly [what: string, ...parts: unknown[]]

const names = new Map<number, string>(Object.entries(kind).map(([name, number]) => [number, name]))

/** A thread that is attached to a pool by a bare port, and says what it likes. To be loaded in a worker. */
export class Intruder {
  readonly port: MessagePort
  readonly welcome: Welcome
  /** All that it has been told, in order. */
  readonly heard: Reply[] = []
  readonly #waiting = new Map<number, (reply: Reply) => void>()
  #id = 0

  private constructor(port: MessagePort, welcome: Welcome) {
    this.port = port
    this.welcome = welcome
  }

  /** Attaches by a hello of its own making. @throws {Error} it was refused. */
  static async enter(name: unknown = 'default', hello: object = {}): Promise<Intruder> {
    const { port1, port2 } = new MessageChannel()
    const answer = new Promise<Welcome | { readonly refused: string }>((resolve, reject) => {
      port1.once('message', resolve)
      port1.once('close', () => reject(new Error('closed')))
    })
    const posted = postMessageToThread(0, { fairypool: 'attach', name, threadId, port: port2, ...hello }, [port2])
    // The acknowledgement of a post may be late by as long as nothing else wakes this thread.
    posted.catch(() => port1.close())
    const welcome = await answer
    if ('refused' in welcome) throw new Error(welcome.refused)
    const intruder = new Intruder(port1, welcome)
    port1.on('message', replies => intruder.#hear(replies as readonly Reply[]))
    return intruder
  }

  /** Posts whatever it is, as one post. */
  post(post: unknown, ...transfer: readonly MessagePort[]): void {
    this.port.postMessage(post, [...transfer])
  }

  /** A number that has not been used. */
  nextId(): number {
    return ++this.#id
  }

  /** Sends a request under a number of its own, and waits for the answer. */
  async ask(what: number, ...parts: readonly unknown[]): Promise<Answer> {
    const id = this.nextId()
    const reply = await new Promise<Reply>(resolve => {
      this.#waiting.set(id, resolve)
      this.post([[what, id, ...parts]])
    })
    const [code, , ...rest] = reply as readonly [number, unknown, ...unknown[]]
    return [names.get(code)!, ...rest]
  }

  /** The class of the error with which a request is refused; else what it was answered with. */
  async outcome(what: number, ...parts: readonly unknown[]): Promise<string> {
    const [answer, first] = await this.ask(what, ...parts)
    return answer === 'failure' ? (first as { readonly name: string }).name : answer
  }

  /** A lease, now. */
  async lease(): Promise<number> {
    const [what, lease] = await this.ask(kind.connect)
    if (what !== 'grant') throw new Error(`no lease: ${what} ${JSON.stringify(lease)}`)
    return lease as number
  }

  /** The far end of a control plane. */
  control(): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.post([[kind.control, port2]], port2)
    return port1
  }

  /** Settles when all that was posted so far has been looked at. */
  async heardOut(): Promise<void> {
    await this.ask(kind.late, 1, 0, 'connect')
  }

  leave(): void {
    this.port.close()
  }

  #hear(replies: readonly Reply[]): void {
    for (const reply of replies) {
      this.heard.push(reply)
      const id = reply[1]
      if (typeof id !== 'number') continue
      this.#waiting.get(id)?.(reply)
      this.#waiting.delete(id)
    }
  }
}
