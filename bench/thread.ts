import { parentPort, workerData } from 'node:worker_threads'
import type { Plan } from './contender.ts'
import { Times } from './times.ts'

/**
 * One checkout, query and close. `id` goes into the query, must come back with so many rows, and is nobody else's. To be told:
 * the moment at which there is a connection.
 */
export type Cycle = (id: number, rows: number, granted: () => void) => Promise<void>

/** What each thread of a crew is told at its start. */
export interface ThreadData {
  /** Counted from 0: makes the ids of two threads differ. */
  readonly thread: number
}

/** What one thread did in one round. */
export interface ThreadReport {
  readonly cycles: number
  readonly elapsedMs: number
  /** Of all cycles together, for a connection. */
  readonly waitedMs: number
  /** Of every cycle, in microseconds; or of some, where one is too short to be timed. */
  readonly latencies: Float64Array<ArrayBuffer>
}

/** What a thread says that can't take part. */
export interface Excuse {
  readonly unavailable: string
}

/** Does what the main thread asks for, one request at a time. The greeting says that the thread is ready, and what it likes. */
export function answer<Q, A>(
  greeting: unknown,
  reply: (request: Q) => Promise<A>,
  transferred: (answer: A) => readonly ArrayBuffer[] = () => [],
): void {
  const port = parentPort!
  port.on('message', async (request: Q) => {
    const result = await reply(request)
    port.postMessage(result, transferred(result))
  })
  port.postMessage(greeting)
}

/** Says why this thread can't take part. */
export const decline = (unavailable: string): void => parentPort!.postMessage({ unavailable } satisfies Excuse)

const idsPerThread = 100_000_000

/** Runs cycles whenever the main thread asks for a round: the same loop for every contender. */
export function answerRounds(cycle: Cycle, greeting: unknown = 'ready'): void {
  const { thread } = workerData as ThreadData
  const times = new Times()
  let lastId = thread * idsPerThread
  const nextId = (): number => ++lastId
  answer(
    greeting,
    (plan: Plan) => runRound(cycle, plan, nextId, times),
    ({ latencies }) => [latencies.buffer],
  )
}

async function runRound(
  cycle: Cycle,
  { seconds, tasks, rows }: Plan,
  nextId: () => number,
  times: Times,
): Promise<ThreadReport> {
  let waitedMs = 0
  const start = performance.now()
  const end = start + seconds * 1000
  const loop = async (): Promise<void> => {
    let before = performance.now()
    const granted = (): void => {
      waitedMs += performance.now() - before
    }
    while (before < end) {
      await cycle(nextId(), rows, granted)
      const after = performance.now()
      times.add((after - before) * 1000)
      before = after
    }
  }
  await Promise.all(Array.from({ length: tasks }, loop))
  const elapsedMs = performance.now() - start
  return { cycles: times.count, elapsedMs, waitedMs, latencies: times.take() }
}
