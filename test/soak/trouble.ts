import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { ServerView } from '../support/server-view.ts'
import type { Alarm } from './alarm.ts'
import type { Crew } from './crew.ts'
import { deaths } from './hand.ts'
import type { Random } from './random.ts'
import type { Tally } from './tally.ts'

interface TroubleOptions {
  readonly pool: QueuePool<Client>
  readonly crew: Crew
  readonly alarm: Alarm
  readonly view: ServerView
  readonly tally: Tally
  readonly random: Random
}

/** The longest time without trouble. */
const calmMs = 400

/** What befalls those who work: deaths of threads, ends of sessions, invalidations. It looks around meanwhile. */
export class Trouble {
  readonly #options: TroubleOptions
  readonly #kinds
  #stop = new AbortController()
  #over: Promise<void> = Promise.resolve()
  #invalidations = 0
  #strikes = 0
  /** The most that were ever seen. */
  readonly #peaks = { waiting: 0, sessions: 0, heapMiB: 0 }

  constructor(options: TroubleOptions) {
    this.#options = options
    const { pool, crew, random } = options
    this.#kinds = [
      { weight: 8, make: () => crew.kill(random.below(1000), random.pick(deaths)) },
      { weight: 1, make: () => this.#strike() },
      { weight: 2, make: () => this.#invalidate(pool) },
    ]
  }

  begin(): void {
    const { alarm } = this.#options
    this.#stop = new AbortController()
    this.#over = this.#go(this.#stop.signal).catch((error: Error) =>
      alarm.ring({ chore: 'trouble', text: `${error.stack}` }),
    )
  }

  /** Settles when what has begun is over. */
  async end(): Promise<void> {
    this.#stop.abort()
    await this.#over
  }

  toString(): string {
    const { waiting, sessions, heapMiB } = this.#peaks
    const peaks = `at most ${waiting} waiting, ${sessions} sessions and ${heapMiB} MiB of heap seen`
    return `${this.#strikes} sessions ended, ${this.#invalidations} invalidations, ${peaks}`
  }

  async #go(signal: AbortSignal): Promise<void> {
    const { random } = this.#options
    while (!signal.aborted) {
      await delay(random.below(calmMs), undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      await random.weighted(this.#kinds).make()
      await this.#look()
    }
  }

  async #strike(): Promise<void> {
    const { view, tally, random } = this.#options
    const pids = await view.pids()
    if (pids.length === 0) return
    this.#strikes++
    tally.strike()
    await view.terminate(random.pick(pids))
    tally.strike()
  }

  async #invalidate(pool: QueuePool<Client>): Promise<void> {
    this.#invalidations++
    await pool.invalidate()
  }

  async #look(): Promise<void> {
    const { pool, view } = this.#options
    const seen = {
      waiting: pool.status().waiting,
      sessions: (await view.pids()).length,
      heapMiB: Math.round(process.memoryUsage().heapUsed / 2 ** 20),
    }
    for (const name of ['waiting', 'sessions', 'heapMiB'] as const) {
      this.#peaks[name] = Math.max(this.#peaks[name], seen[name])
    }
  }
}
