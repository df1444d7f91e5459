import { setImmediate as turn } from 'node:timers/promises'
import type { Dialect } from '../../src/dialects/dialect.ts'
import type { EventName } from '../../src/observe/event-names.ts'
import type { Creator } from '../../src/pool/options.ts'
import type { Pool } from '../../src/pool/pool.ts'

/** What a driver does; each can be made to fail or to hang. */
export type Step = 'open' | 'ping' | 'rollback' | 'commit' | 'close' | 'call'

/** How a step goes. `slow` waits until the test says `release(step)`, `never` for ever. */
export type Gate = 'ok' | 'fails' | 'slow' | 'never'

/** How a gate fails. */
export class GateError extends Error {
  override readonly name = 'GateError'
}

/** A connection to nowhere; every one has a number, and says what it does in its driver's log. */
export class GatedConnection {
  readonly number: number
  state: 'open' | 'closed' = 'open'
  readonly #driver: GatedDriver

  constructor(driver: GatedDriver, number: number) {
    this.#driver = driver
    this.number = number
  }

  /** A call that goes through the gate `call`. */
  async query(text: string): Promise<{ readonly number: number; readonly text: string }> {
    await this.#driver.pass('call', this.number)
    return { number: this.number, text }
  }

  rollback(): Promise<void> {
    return this.#driver.pass('rollback', this.number)
  }

  commit(): Promise<void> {
    return this.#driver.pass('commit', this.number)
  }

  async close(): Promise<void> {
    this.state = 'closed'
    await this.#driver.pass('close', this.number)
  }
}

interface Held {
  readonly step: Step
  readonly go: (error?: Error) => void
}

/**
 * A fake driver for the pool's own logic. Its log has every step and every event of the pools it listens to, in their order,
 * each with the number of its connection: `open 1`, `on connect 1`, `rollback 1`, `on checkin -`; `-` is no connection.
 */
export class GatedDriver {
  readonly connections: GatedConnection[] = []
  readonly #always = new Map<Step, Gate>()
  readonly #next = new Map<Step, Gate[]>()
  #held: Held[] = []
  #log: string[] = []
  #opened = 0

  /** To be a pool's `creator`, or called by one. */
  readonly creator: Creator<GatedConnection> = () => this.openConnection()

  async openConnection(): Promise<GatedConnection> {
    const number = ++this.#opened
    await this.pass('open', number)
    const connection = new GatedConnection(this, number)
    this.connections.push(connection)
    return connection
  }

  /** A dialect over this driver; `abilities` replaces or adds members. */
  dialect(abilities: Partial<Dialect<GatedConnection>> = {}): Dialect<GatedConnection> {
    return {
      name: 'gated',
      connect: record =>
        this.creator(record as Parameters<Creator<GatedConnection>>[0], { signal: AbortSignal.abort() }),
      ping: async connection => {
        await this.pass('ping', connection.number)
        return connection.state === 'open'
      },
      rollback: fairy => fairy.rollback(),
      commit: fairy => fairy.commit(),
      close: connection => connection.close(),
      ...abilities,
    }
  }

  /** How a step goes from now on. */
  set(step: Step, gate: Gate): void {
    this.#always.set(step, gate)
  }

  /** How a step goes the next times, once each; then as before. */
  next(step: Step, ...gates: readonly Gate[]): void {
    this.#next.set(step, [...(this.#next.get(step) ?? []), ...gates])
  }

  /** Lets the oldest slow one of these steps go on, or fail; waits until there is one, and until what follows has run. */
  async release(step: Step, error?: Error): Promise<void> {
    await this.reached(step)
    const held = this.#held.find(each => each.step === step)!
    this.#held = this.#held.filter(each => each !== held)
    held.go(error)
    await turn()
  }

  /** Settles once `count` of these steps wait at their gate. */
  async reached(step: Step, count = 1): Promise<void> {
    while (this.waitingAt(step) < count) await turn()
  }

  waitingAt(step: Step): number {
    return this.#held.filter(each => each.step === step).length
  }

  /** A step on its way: logs it, and goes as the test has said. */
  async pass(step: Step, number: number): Promise<void> {
    this.note(`${step} ${number}`)
    const gate = this.#next.get(step)?.shift() ?? this.#always.get(step) ?? 'ok'
    if (gate === 'fails') throw new GateError(`${step} ${number} fails`)
    if (gate === 'never') await new Promise<never>(() => {})
    if (gate !== 'slow') return
    await new Promise<void>((resolve, reject) => {
      this.#held.push({ step, go: error => (error ? reject(error) : resolve()) })
    })
  }

  /** Adds a pool's events to the log; all of them, or those named. */
  listen(pool: Pool<GatedConnection>, ...events: readonly EventName[]): void {
    const wanted = events.length === 0 ? allEvents : events
    for (const event of wanted) {
      pool.on(event, (...args: readonly unknown[]) => {
        const number = (args[0] as GatedConnection | undefined)?.number ?? '-'
        const error = event === 'invalidate' || event === 'softInvalidate' ? ` (${messageOf(args[2])})` : ''
        this.note(`on ${event} ${number}${error}`)
      })
    }
  }

  /** A line of the test's own. */
  note(line: string): void {
    this.#log.push(line)
  }

  get log(): readonly string[] {
    return this.#log
  }

  /** The log since it was last taken. */
  take(): string[] {
    return this.#log.splice(0)
  }

  /** Connections that are open now. */
  get open(): number {
    return this.connections.filter(({ state }) => state === 'open').length
  }

  /** Connections ever asked for. */
  get opened(): number {
    return this.#opened
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const allEvents: readonly EventName[] = [
  'firstConnect',
  'connect',
  'checkout',
  'checkin',
  'reset',
  'invalidate',
  'softInvalidate',
  'close',
  'detach',
  'closeDetached',
]
