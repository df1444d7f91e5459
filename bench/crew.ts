import { once } from 'node:events'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { Measurement, Plan } from './contender.ts'
import { quantile } from './statistics.ts'
import type { ThreadData, ThreadReport } from './thread.ts'

/** What a thread of a rival gets besides: its end of a port whose other end `serve` has got. */
export interface PortData extends ThreadData {
  readonly port: MessagePort
}

/** The threads of one contender: they sleep until a round begins. */
export class Crew {
  readonly #threads: readonly Worker[]
  readonly #failed: Promise<never>

  private constructor(threads: readonly Worker[]) {
    this.#threads = threads
    this.#failed = Promise.race(
      threads.map(async thread => {
        const [error] = (await once(thread, 'error')) as [Error]
        throw error
      }),
    )
    this.#failed.catch(() => {})
  }

  /** Starts `count` threads of a file in `workers/`, each with `data` and its own number. */
  static start(file: string, count: number, data: object = {}): Promise<Crew> {
    return Crew.#start(Array.from({ length: count }, (_, thread) => spawn(file, { ...data, thread })))
  }

  /** The same, each thread with a port of its own; `serve` gets the other end. */
  static startWithPorts(file: string, count: number, serve: (port: MessagePort) => void): Promise<Crew> {
    const threads = Array.from({ length: count }, (_, thread) => {
      const { port1, port2 } = new MessageChannel()
      serve(port1)
      return spawn(file, { thread, port: port2 } satisfies PortData, port2)
    })
    return Crew.#start(threads)
  }

  static async #start(threads: readonly Worker[]): Promise<Crew> {
    const crew = new Crew(threads)
    await crew.#all(thread => once(thread, 'message'))
    return crew
  }

  /** One round in all threads at once. */
  async run(plan: Plan): Promise<Measurement> {
    const before = process.cpuUsage()
    const reports = await this.#all(async thread => {
      thread.postMessage(plan)
      const [report] = (await once(thread, 'message')) as [ThreadReport]
      return report
    })
    const { user, system } = process.cpuUsage(before)
    return summary(reports, user + system)
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(thread => thread.terminate()))
  }

  #all<T>(work: (thread: Worker) => Promise<T>): Promise<T[]> {
    return Promise.race([this.#failed, Promise.all(this.#threads.map(work))])
  }
}

function spawn(file: string, workerData: object, port?: MessagePort): Worker {
  return new Worker(new URL(`../workers/${file}.js`, import.meta.url), { workerData, transferList: port ? [port] : [] })
}

function summary(reports: readonly ThreadReport[], cpu: number): Measurement {
  const latencies = new Float64Array(reports.reduce((sum, { cycles }) => sum + cycles, 0))
  let at = 0
  let cyclesPerSecond = 0
  for (const report of reports) {
    latencies.set(report.latencies, at)
    at += report.cycles
    cyclesPerSecond += (report.cycles / report.elapsedMs) * 1000
  }
  latencies.sort()
  return { cyclesPerSecond, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), cpu: cpu / latencies.length }
}
