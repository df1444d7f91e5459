import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { monotonicMs } from '../../src/base/clock.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { OwnServer } from '../support/own-server.ts'
import type { Alarm } from './alarm.ts'
import type { Crew } from './crew.ts'
import { deaths } from './hand.ts'
import type { Random } from './random.ts'
import type { Tally } from './tally.ts'

interface TroubleOptions {
  readonly pool: QueuePool<Client>
  readonly crew: Crew
  readonly alarm: Alarm
  readonly own: OwnServer
  readonly tally: Tally
  readonly random: Random
  /** From one restart of the server to the next, in milliseconds. */
  readonly restartMs: number
}

/** The longest time without trouble. */
const calmMs = 400

/** An outage excuses what fails in it: that is said again so often, in milliseconds. */
const outageMs = 500

/** What befalls those who work: deaths of threads, ends of sessions, invalidations, restarts of the server. It looks around meanwhile. */
export class Trouble {
  readonly #options: TroubleOptions
  readonly #kinds
  #stop = new AbortController()
  #over: Promise<void> = Promise.resolve()
  #invalidations = 0
  #strikes = 0
  #restarts = 0
  #restartAt = 0
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
    return `${this.#strikes} sessions ended, ${this.#restarts} restarts, ${this.#invalidations} invalidations, ${peaks}`
  }

  async #go(signal: AbortSignal): Promise<void> {
    const { random, restartMs } = this.#options
    this.#restartAt ||= monotonicMs() + restartMs
    while (!signal.aborted) {
      await delay(random.below(calmMs), undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      if (monotonicMs() >= this.#restartAt) await this.#restart()
      else await random.weighted(this.#kinds).make()
      await this.#look()
    }
  }

  async #strike(): Promise<void> {
    const { own, tally, random } = this.#options
    const pids = await own.view.pids()
    if (pids.length === 0) return
    this.#strikes++
    tally.strike()
    await own.view.terminate(random.pick(pids))
    tally.strike()
  }

  /** Everybody's connection is gone, and for a while there is none to be had. */
  async #restart(): Promise<void> {
    const { own, tally, restartMs } = this.#options
    this.#restarts++
    tally.strike()
    const striking = setInterval(() => tally.strike(), outageMs)
    try {
      await own.server.stop()
      await own.restart()
    } finally {
      clearInterval(striking)
      tally.strike()
      this.#restartAt = monotonicMs() + restartMs
    }
  }

  async #invalidate(pool: QueuePool<Client>): Promise<void> {
    this.#invalidations++
    await pool.invalidate()
  }

  async #look(): Promise<void> {
    const { pool, own } = this.#options
    const seen = {
      waiting: pool.status().waiting,
      sessions: (await own.view.pids()).length,
      heapMiB: Math.round(process.memoryUsage().heapUsed / 2 ** 20),
    }
    for (const name of ['waiting', 'sessions', 'heapMiB'] as const) {
      this.#peaks[name] = Math.max(this.#peaks[name], seen[name])
    }
  }
}
