import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import { createPool } from '../index.ts'
import { pg } from '../pg.ts'
import { createWorkers } from '../piscina.ts'
import type { Database } from './database.ts'
import { lineLogger } from './line-logger.ts'
import type { DemoOptions } from './options.ts'
import type { Progress } from './progress.ts'
import type { Round, Tally } from './round.ts'
import { median, percentile } from './statistics.ts'
import { workerFile } from './worker-file.ts'

/** One contender's result: medians of its rounds. */
export interface Score {
  readonly transactionsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** The most that the server saw at a time. */
  readonly serverConnections: number
  /** Committed in all, warm-up included. */
  readonly transactions: number
}

export interface Contest {
  readonly rounds: number
  readonly roundMs: number
  readonly tasksPerThread: number
  readonly shared: Score
  readonly own: Score
  /** Throughput, shared over own. */
  readonly ratio: number
}

const rounds = 5
export const contestSteps = 2 + 2 * rounds

/** TPC-B from all threads: one shared pool against an own pool in each thread, in turns, so that a machine's moods hit both. */
export async function runContest(
  database: Database,
  { threads, connections, seconds }: DemoOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<Contest> {
  const roundMs = (seconds * 1000) / rounds
  const tasksPerThread = 2 * connections
  const connectionString = database.urlFor('shared')
  await using pool = createPool({
    dialect: pg({ connectionString }),
    poolSize: connections,
    maxOverflow: 0,
    logger: lineLogger,
  })
  const crew = { minThreads: threads, maxThreads: threads }
  const contenders = [
    new Contender('shared', createWorkers(pool, { ...crew, filename: fileOf('demo-shared') }), database),
    new Contender('own', new Piscina({ ...crew, filename: fileOf('demo-own') }), database),
  ] as const
  const round = { schema: database.schema, threads, connections, tasks: tasksPerThread }
  try {
    for (const contender of contenders) {
      progress.step('TPC-B: warming up')
      await contender.play({ ...round, ms: Math.min(300, roundMs) }, signal)
      contender.forgetScore()
    }
    for (let number = 1; number <= rounds; number++) {
      for (const contender of contenders) {
        progress.step(`TPC-B: round ${number} of ${rounds}, ${contender.title}`)
        await contender.play({ ...round, ms: roundMs }, signal)
      }
    }
  } finally {
    for (const contender of contenders) await contender.close()
  }
  const [shared, own] = contenders.map(contender => contender.score) as [Score, Score]
  const ratio = shared.transactionsPerSecond / own.transactionsPerSecond
  return { rounds, roundMs, tasksPerThread, shared, own, ratio }
}

const fileOf = (name: string): string => fileURLToPath(workerFile(name))

class Contender {
  readonly role: 'shared' | 'own'
  readonly #piscina: Piscina
  readonly #database: Database
  readonly #rates: number[] = []
  readonly #p50s: number[] = []
  readonly #p99s: number[] = []
  #serverConnections = 0
  #transactions = 0

  constructor(role: 'shared' | 'own', piscina: Piscina, database: Database) {
    this.role = role
    this.#piscina = piscina
    this.#database = database
  }

  get title(): string {
    return this.role === 'shared' ? 'one shared pool' : 'a pool in each thread'
  }

  get score(): Score {
    return {
      transactionsPerSecond: median(this.#rates),
      p50Ms: median(this.#p50s),
      p99Ms: median(this.#p99s),
      serverConnections: this.#serverConnections,
      transactions: this.#transactions,
    }
  }

  async play(round: Omit<Round, 'connectionString' | 'start'>, signal: AbortSignal): Promise<void> {
    const connectionString = this.#database.urlFor(this.role)
    const task: Round = { ...round, connectionString, start: new SharedArrayBuffer(4) }
    const running = Array.from({ length: round.threads }, () => this.#piscina.run(task, { name: this.role, signal }))
    const [tallies] = await Promise.all([Promise.all(running) as Promise<Tally[]>, this.#count(round.ms / 2, signal)])
    const latencies = Float64Array.from(tallies.flatMap(tally => [...tally.latenciesMs]))
    this.#transactions += latencies.length
    this.#rates.push(tallies.reduce((sum, tally) => sum + (1000 * tally.latenciesMs.length) / tally.elapsedMs, 0))
    this.#p50s.push(percentile(latencies, 0.5))
    this.#p99s.push(percentile(latencies, 0.99))
  }

  /** Warm-up counts in the books only. */
  forgetScore(): void {
    for (const list of [this.#rates, this.#p50s, this.#p99s]) list.length = 0
  }

  async close(): Promise<void> {
    await this.#piscina.destroy()
  }

  async #count(afterMs: number, signal: AbortSignal): Promise<void> {
    await delay(afterMs, undefined, { signal })
    this.#serverConnections = Math.max(this.#serverConnections, await this.#database.count(this.role))
  }
}
