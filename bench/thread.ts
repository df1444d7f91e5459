import { parentPort, workerData } from 'node:worker_threads'
import type { Plan } from './contender.ts'

/** One checkout, query and close. `id` goes into the query and must come back. */
export type Cycle = (id: number) => Promise<void>

/** What each thread of a crew is told at its start. */
export interface ThreadData {
  /** Counted from 0: makes the ids of two threads differ. */
  readonly thread: number
}

/** What one thread did in one round. */
export interface ThreadReport {
  readonly cycles: number
  readonly elapsedMs: number
  /** Of every cycle, in microseconds. */
  readonly latencies: Float64Array
}

const idsPerThread = 100_000_000

/** Runs cycles whenever the main thread asks for a round: the same loop for every contender. */
export function answerRounds(cycle: Cycle): void {
  const port = parentPort!
  const { thread } = workerData as ThreadData
  let lastId = thread * idsPerThread
  const nextId = (): number => ++lastId
  port.on('message', async (plan: Plan) => {
    const report = await runRound(cycle, plan, nextId)
    port.postMessage(report, [report.latencies.buffer as ArrayBuffer])
  })
  port.postMessage('ready')
}

async function runRound(cycle: Cycle, { seconds, tasks }: Plan, nextId: () => number): Promise<ThreadReport> {
  const latencies: number[] = []
  const start = performance.now()
  const end = start + seconds * 1000
  const loop = async (): Promise<void> => {
    for (let before = performance.now(); before < end; ) {
      await cycle(nextId())
      const after = performance.now()
      latencies.push((after - before) * 1000)
      before = after
    }
  }
  await Promise.all(Array.from({ length: tasks }, loop))
  return {
    cycles: latencies.length,
    elapsedMs: performance.now() - start,
    latencies: Float64Array.from(latencies),
  }
}
