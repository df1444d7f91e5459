import { MessagePort } from 'node:worker_threads'
import { ArgumentError } from '../base/errors.ts'
import type { Attached } from '../observe/attached.ts'
import type { PoolLog } from '../observe/pool-log.ts'
import type { Pool } from '../pool/pool.ts'
import { kind, type Reply, type Request } from '../protocol/messages.ts'
import { checkRequest, idOf } from '../protocol/request-check.ts'
import { toWireError } from '../protocol/wire-error.ts'

/**
 * What stands between one attached thread and the coordinator: a message is looked at as a whole before anything is done about it,
 * and one that is wrong, here or further in, is counted, answered with an error if it has a number, and forgotten. Nothing is ever
 * said to what is no request: it may be the coordinator's own words, sent back.
 */
export class Wall {
  readonly #attached: Attached
  readonly #log: PoolLog
  readonly #threadId: number
  readonly #mayBeDirect: boolean
  /** It has said that it runs the driver itself. */
  #isDirect = false
  #lastId = 0
  #hasWarned = false

  constructor({ transports, log }: Pool<object>, threadId: number, mayBeDirect: boolean) {
    this.#attached = transports
    this.#log = log
    this.#threadId = threadId
    this.#mayBeDirect = mayBeDirect
  }

  /** The message, if it is in order. Requests have rising numbers: one used twice would be answered twice, and be forgotten once. */
  admit(message: unknown): Request {
    try {
      checkRequest(message)
      const id = idOf(message)
      if (id !== 0 && id <= this.#lastId)
        throw new ArgumentError(`The number ${id} of a request has been used already.`)
      if (id !== 0) this.#lastId = id
      this.#checkTransport(message)
      return message
    } catch (error) {
      this.#warn(error as Error)
      throw error
    }
  }

  /** What only a thread can know that runs the driver itself is not believed of any other: whether a transaction is open, what has failed. */
  #checkTransport(message: Request): void {
    if (message[0] === kind.transport) {
      if (message[1] === 'direct' && !this.#mayBeDirect)
        throw new ArgumentError('No thread runs the driver of this pool.')
      this.#isDirect = message[1] === 'direct'
    }
    const isOfDirect = message[0] === kind.failed || (message[0] === kind.end && message[4] !== undefined)
    if (isOfDirect && !this.#isDirect) throw new ArgumentError('This thread has not said that it runs the driver.')
  }

  /** Counts a message that was refused, and answers it if it can be answered. */
  refuse(message: unknown, error: unknown, answer: (reply: Reply) => void): void {
    this.#attached.refused++
    const id = idOf(message)
    if (id !== 0) answer([kind.failure, id, toWireError(error)])
  }

  /** A message of the control plane. */
  readonly refuseControl = (): void => {
    this.#attached.refused++
    this.#warn(new ArgumentError('A message of the control plane was refused.'))
  }

  /** Once for a thread: it may send very many, and the pool counts them. */
  #warn({ message }: Error): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    this.#log.warn(
      `thread ${this.#threadId} sends what no attached thread should: ${message} More of it is only counted.`,
    )
  }
}

/** True for the one port that a thread may send: in the message that is about it. */
export function isControlPort(port: MessagePort, post: unknown): boolean {
  if (!Array.isArray(post)) return false
  // Behind a gap nothing is received: see `Mailbox`.
  for (let i = 0; i < post.length && post[i] !== undefined; i++) if (portOf(post[i]) === port) return true
  return false
}

/** The port in a message. With something in it and nobody who listens, it would never learn that its other end is closed, and stay. */
export const portOf = (message: unknown): MessagePort | undefined =>
  Array.isArray(message) && message[0] === kind.control && message[1] instanceof MessagePort ? message[1] : undefined
