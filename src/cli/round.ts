import { setTimeout as delay } from 'node:timers/promises'
import { monotonicMs } from '../base/clock.ts'

/** What one thread is asked to do in one round. */
export interface Round {
  readonly schema: string
  readonly connectionString: string
  readonly connections: number
  /** Tasks that run transactions side by side in one thread. */
  readonly tasks: number
  readonly ms: number
  readonly threads: number
  /** Counts the threads that have come to the start. */
  readonly start: SharedArrayBuffer
}

/** What one thread has done in one round. */
export interface Tally {
  /** One entry for each transaction that has committed, checkout and return included. */
  readonly latenciesMs: Float64Array
  readonly elapsedMs: number
}

/** Runs transactions until the time is over; those under way then are finished, and counted with the time they took. */
export async function playRound(round: Round, transaction: () => Promise<void>): Promise<Tally> {
  const { tasks, ms } = round
  const latencies: number[] = []
  await meetAtStart(round)
  const start = monotonicMs()
  const task = async (): Promise<void> => {
    let before = start
    while (before < start + ms) {
      await transaction()
      const now = monotonicMs()
      latencies.push(now - before)
      before = now
    }
  }
  await Promise.all(Array.from({ length: tasks }, task))
  return { latenciesMs: Float64Array.from(latencies), elapsedMs: monotonicMs() - start }
}

/** All begin together, and none begins twice: a thread that waits here is free for no other task of this round. */
async function meetAtStart({ start, threads }: Round): Promise<void> {
  const present = new Int32Array(start)
  Atomics.add(present, 0, 1)
  while (Atomics.load(present, 0) < threads) await delay(1)
}
