import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { Plan } from './contender.ts'
import { Hand } from './hand.ts'
import type { Measurement } from './metrics.ts'
import { type CrewReport, summary } from './summary.ts'
import type { ThreadData, ThreadReport } from './thread.ts'

/** What a thread of a rival gets besides: its end of a port whose other end `serve` has got. */
export interface PortData extends ThreadData {
  readonly port: MessagePort
}

/** The threads of one contender: they sleep until a round begins. */
export class Crew {
  readonly #hands: readonly Hand[]

  private constructor(hands: readonly Hand[]) {
    this.#hands = hands
  }

  /** Starts `count` threads of a file in `workers/`, each with `data` and its own number. */
  static start(file: string, count: number, data: object = {}): Promise<Crew> {
    return Crew.#muster(Array.from({ length: count }, (_, thread) => Hand.start(file, { ...data, thread })))
  }

  /** The same, each thread with a port of its own; `serve` gets the other end. */
  static startWithPorts(file: string, count: number, serve: (port: MessagePort) => void): Promise<Crew> {
    const hands = Array.from({ length: count }, (_, thread) => {
      const { port1, port2 } = new MessageChannel()
      serve(port1)
      return Hand.start(file, { thread, port: port2 } satisfies PortData, port2)
    })
    return Crew.#muster(hands)
  }

  /** All or none. */
  static async #muster(starting: readonly Promise<Hand>[]): Promise<Crew> {
    try {
      return new Crew(await Promise.all(starting))
    } catch (error) {
      for (const start of await Promise.allSettled(starting)) {
        if (start.status === 'fulfilled') await start.value.kill()
      }
      throw error
    }
  }

  /** What the threads said when they were ready, each thing once. */
  get greetings(): readonly string[] {
    return [...new Set(this.#hands.map(({ greeting }) => String(greeting)))]
  }

  /** One round in all threads at once. */
  async work(plan: Plan): Promise<CrewReport> {
    const before = process.cpuUsage()
    const threads = await Promise.all(this.#hands.map(hand => hand.ask<ThreadReport>(plan)))
    const { user, system } = process.cpuUsage(before)
    return { threads, cpu: user + system }
  }

  async run(plan: Plan): Promise<Measurement> {
    return summary(await this.work(plan))
  }

  async close(): Promise<void> {
    await Promise.all(this.#hands.map(hand => hand.kill()))
  }
}
