import { randomBytes } from 'node:crypto'
import pgModule, { type Client } from 'pg'
import type { Peek } from '../base/descriptors.ts'
import type { BatchReader, Pipeline } from './dialect.ts'
import type { Lane, LaneModule } from './lane.ts'
import { cancel } from './pg-cancel.ts'
import { readPgCursor } from './pg-cursor.ts'
import { isPgDisconnect } from './pg-errors.ts'
import type { PgFacts } from './pg-handover.ts'
import { inside } from './pg-inside.ts'
import { ping } from './pg-ping.ts'
import { PgPipeline, type PipelinedClient } from './pg-pipeline.ts'
import { keepToTransactions } from './pg-pooler.ts'
import { describeRows } from './pg-rows.ts'
import { isAtRest, settled } from './pg-settled.ts'
import { PgSocket } from './pg-socket.ts'
import { pgStatement } from './pg-statement.ts'
import { ownStatementNames } from './pg-statement-names.ts'
import { pgTextOf } from './pg-text-of.ts'

/** The prepared statements of this thread: a session keeps those of all threads that have used it. */
const namespace = randomBytes(5).toString('hex')

/** One server session in this thread: a real `pg.Client`, over a descriptor of this thread's own. */
class PgLane implements Lane<Client> {
  readonly connection: Client
  readonly #socket: PgSocket
  #hold: 'none' | 'until at rest' | 'until it rests' = 'none'
  // biome-ignore lint/correctness/noUnusedPrivateClassMembers: it is there to be held, not to be read
  #holder: object | undefined
  #isBroken = false
  seenAt: number = Number.NEGATIVE_INFINITY
  onBroken: ((error: Error) => void) | undefined

  constructor(connection: Client, socket: PgSocket) {
    this.connection = connection
    this.#socket = socket
    // The server's last word comes as the answer to a statement: heard here before its caller is told.
    inside(connection).connection.on('errorMessage', error => {
      if (isPgDisconnect(error)) this.#broken(error)
    })
    connection.on('error', error => this.#broken(error))
    connection.once('end', () => this.#broken(new Error('Connection terminated unexpectedly')))
    connection.on('drain', () => {
      this.seenAt = Date.now()
      // The thread may be wanted for longer than the holder: one that is forgotten must not be held by what it did with the driver.
      this.#holder = undefined
      if (this.#hold === 'until at rest') this.letGo()
    })
  }

  get isAttended(): boolean {
    return this.#socket.isReading
  }

  get isAtRest(): boolean {
    return isAtRest(this.connection)
  }

  get inTransaction(): boolean {
    return inside(this.connection).getTransactionStatus() !== 'I'
  }

  get isBroken(): boolean {
    return this.#isBroken
  }

  get isListened(): boolean {
    return this.connection.listenerCount('notification') > 0
  }

  attend(): void {
    this.#socket.attend()
  }

  rest(): void {
    if (!this.#socket.isReading) return
    this.#socket.rest()
    this.changeHands()
  }

  changeHands(): void {
    this.letGo()
    // What the last holder wanted to hear of is nobody's business any more.
    if (this.connection.listenerCount('notification') > 0) this.connection.removeAllListeners('notification')
    if (this.connection.listenerCount('notice') > 0) this.connection.removeAllListeners('notice')
  }

  begin(holder: object): void {
    this.attend()
    this.#holder = holder
    if (this.#hold !== 'none') return
    this.#hold = 'until at rest'
    this.#socket.ref()
  }

  hold(): void {
    this.attend()
    if (this.#hold === 'none') this.#socket.ref()
    this.#hold = 'until it rests'
  }

  letGo(): void {
    this.#holder = undefined
    if (this.#hold === 'none') return
    this.#hold = 'none'
    this.#socket.unref()
  }

  async settled(): Promise<void> {
    if (!this.#isBroken) await settled(this.connection)
  }

  peek(): Peek {
    if (this.#isBroken) return 'closed'
    const seen = this.#socket.peek()
    if (seen === 'quiet') this.seenAt = Date.now()
    return seen
  }

  ping(): Promise<boolean> {
    this.begin(this)
    return ping(this.connection)
  }

  cancel(): Promise<void> {
    return cancel(inside(this.connection))
  }

  cursor(args: readonly unknown[]): Promise<BatchReader> {
    return readPgCursor(this.connection, args)
  }

  textOf(method: string | symbol, args: readonly unknown[]): string | undefined {
    return pgTextOf(method, args)
  }

  pipeline(holder: object): Pipeline {
    return new PgPipeline(this.connection as unknown as PipelinedClient, () => this.begin(holder))
  }

  close(): void {
    this.#isBroken = true
    this.onBroken = undefined
    this.#socket.destroy()
  }

  #broken(error: Error): void {
    if (this.#isBroken) return
    this.#isBroken = true
    this.onBroken?.(error)
  }
}

/** The driver logs in to a session that is logged in already: it is answered here, and the server hears nothing of it. */
function replayLogin(socket: PgSocket, login: Uint8Array): void {
  const { write } = socket
  Object.assign(socket, {
    connect: () => {
      process.nextTick(() => socket.emit('connect'))
      return socket
    },
    write: () => {
      Object.assign(socket, { write })
      process.nextTick(() => socket.emit('data', Buffer.from(login)))
      return true
    },
  })
}

export { pgStatement as statement }

/** See `LaneModule`. `facts` are `PgFacts`. */
export const openLane: LaneModule['openLane'] = async (descriptor, facts) => {
  const { login, queryTimeoutMs, pooler, ...config } = facts as PgFacts
  const socket = new PgSocket(descriptor)
  try {
    socket.unref()
    replayLogin(socket, login)
    const client = new pgModule.Client({
      ...config,
      ...(queryTimeoutMs > 0 ? { query_timeout: queryTimeoutMs } : {}),
      ssl: false,
      stream: () => socket,
    })
    await client.connect()
    ownStatementNames(client, namespace)
    describeRows(client)
    if (pooler === 'transaction') keepToTransactions(client)
    return new PgLane(client, socket)
  } catch (error) {
    socket.destroy()
    throw error
  }
}
