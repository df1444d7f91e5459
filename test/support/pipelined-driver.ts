import { onTestFinished } from 'vitest'
import { createPool } from '../../src/coordinator/create-pool.ts'
import type { Dialect, Outcome } from '../../src/dialects/dialect.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { Statement } from '../../src/statements/statement.ts'
import { MemoryLogger } from './observe.ts'

/** The connection is gone. */
export class LostError extends Error {
  override readonly name = 'LostError'
}

/** A connection to nowhere over which several statements can be in flight; the test answers them. */
export class PipelinedConnection {
  readonly number: number
  state: 'open' | 'closed' = 'open'
  mode: 'plain' | 'pipelining' = 'plain'
  readonly #sent: { readonly text: string; readonly done: Outcome }[] = []
  #mostInFlight = 0

  constructor(number: number) {
    this.number = number
  }

  /** The texts in flight. */
  get inFlight(): string[] {
    return this.#sent.map(({ text }) => text)
  }

  /** The most there have been at a time. */
  get mostInFlight(): number {
    return this.#mostInFlight
  }

  send(text: string, done: Outcome): void {
    if (this.mode !== 'pipelining' && this.#sent.length > 0) throw new Error('Not one at a time.')
    this.#sent.push({ text, done })
    this.#mostInFlight = Math.max(this.#mostInFlight, this.#sent.length)
  }

  query(text: string): Promise<unknown> {
    return new Promise((resolve, reject) => this.send(text, { resolve, reject }))
  }

  /** Answers so many, the oldest first, with their text and this connection's number. */
  answer(count = 1): void {
    for (let i = 0; i < count; i++) {
      const { text, done } = this.#sent.shift()!
      done.resolve(`${text} by ${this.number}`)
    }
  }

  fail(error: Error = new Error('failed')): void {
    this.#sent.shift()!.done.reject(error)
  }

  /** What is in flight fails as when the connection breaks. */
  lose(): void {
    for (const { done } of this.#sent.splice(0)) done.reject(new LostError('lost'))
  }
}

/** How an attempt to open goes: at once, or as the test says. */
type Opening = 'ok' | 'held' | Error

/** A fake driver that can pipeline. */
export class PipelinedDriver {
  readonly connections: PipelinedConnection[] = []
  opening: Opening = 'ok'
  /** Cancels that are under way: each settles when the test calls it. */
  readonly cancels: { readonly number: number; readonly settle: () => void }[] = []
  #held: (() => void)[] = []
  #attempts = 0

  /** Attempts to open, of whatever outcome. */
  get attempts(): number {
    return this.#attempts
  }

  dialect(abilities: Partial<Dialect<PipelinedConnection>> = {}): Dialect<PipelinedConnection> {
    return {
      name: 'pipelined',
      connect: () => this.#open(),
      rollback: () => undefined,
      commit: () => undefined,
      close: connection => {
        connection.state = 'closed'
      },
      inTransaction: () => false,
      isDisconnect: error => error instanceof LostError,
      cancel: connection =>
        new Promise(resolve => this.cancels.push({ number: connection.number, settle: () => resolve() })),
      statement: text => {
        if (text.startsWith('session')) throw new Error('Use connect().')
        return [text]
      },
      pipeline: connection => {
        if (connection.mode === 'pipelining') throw new Error('Twice.')
        connection.mode = 'pipelining'
        return {
          send: ([text], done) => connection.send(text as string, done),
          end: () => {
            if (connection.inFlight.length > 0) throw new Error('Something is in flight.')
            connection.mode = 'plain'
          },
        }
      },
      ...abilities,
    }
  }

  /** Lets the oldest held attempt succeed. */
  letOpen(): void {
    this.#held.shift()!()
  }

  get heldOpenings(): number {
    return this.#held.length
  }

  async #open(): Promise<PipelinedConnection> {
    this.#attempts++
    const { opening } = this
    if (opening instanceof Error) throw opening
    if (opening === 'held') await new Promise<void>(resolve => this.#held.push(resolve))
    const connection = new PipelinedConnection(this.connections.length + 1)
    this.connections.push(connection)
    return connection
  }
}

export interface PipelinedPool {
  readonly pool: QueuePool<PipelinedConnection>
  readonly driver: PipelinedDriver
  readonly logger: MemoryLogger
  /** Sends a statement as a thread of this session would. Its outcome: the answer, or the error's message. */
  from(session: number, text: string): { readonly statement: Statement; readonly outcome: Promise<unknown> }
}

/** A pool over such a driver. */
export function pipelinedPool(
  options: PoolOptions<PipelinedConnection> = {},
  abilities: Partial<Dialect<PipelinedConnection>> = {},
): PipelinedPool {
  const driver = new PipelinedDriver()
  const logger = new MemoryLogger()
  const pool = createPool({ dialect: driver.dialect(abilities), logger, maxOverflow: 0, ...options })
  onTestFinished(() => pool.dispose())
  const from: PipelinedPool['from'] = (session, text) => {
    let statement: Statement | undefined
    const outcome = new Promise(resolve => {
      const told = { resolve, reject: (error: unknown) => resolve((error as Error | undefined)?.message) }
      statement = pool.statements.prepare({ session, threadId: session }, text, undefined, undefined, told)
    })
    pool.statements.run(statement!)
    return { statement: statement!, outcome }
  }
  return { pool, driver, logger, from }
}

/** Lets a pool see how quick its connections are, so that it puts as many statements on one as it ever does. Returns the first. */
export async function warmUp({ pool, driver }: PipelinedPool): Promise<PipelinedConnection> {
  const busy = (): PipelinedConnection | undefined => driver.connections.find(({ inFlight }) => inFlight.length > 0)
  for (let i = 0; i < 400; i++) {
    const answered = pool.query(`warm ${i}`)
    while (busy() === undefined) await Promise.resolve()
    busy()!.answer()
    await answered
  }
  return driver.connections[0]!
}
