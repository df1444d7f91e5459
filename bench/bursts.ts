import { setImmediate as turn } from 'node:timers/promises'
import type { Plan } from './contender.ts'
import { answer, type ThreadReport } from './thread.ts'
import { Times } from './times.ts'

/** So many checkouts and closes, one after another, each awaited. Everybody writes the loop himself: a call more for each would be seen. */
export type Burst = (count: number) => Promise<void>

/** A clock read for each would be seen too. */
const size = 1000

/** As `answerRounds`, for what takes a microsecond. */
export function answerBursts(burst: Burst, greeting: unknown = 'ready'): void {
  const times = new Times(4096)
  answer(
    greeting,
    (plan: Plan) => runRound(burst, plan, times),
    ({ latencies }) => [latencies.buffer],
  )
}

async function runRound(burst: Burst, { seconds }: Plan, times: Times): Promise<ThreadReport> {
  const start = performance.now()
  const end = start + seconds * 1000
  for (let before = start; before < end; ) {
    await burst(size)
    // Timers and finalizers have their turn, and are paid for.
    await turn()
    const after = performance.now()
    times.add(((after - before) * 1000) / size)
    before = after
  }
  const elapsedMs = performance.now() - start
  return { cycles: times.count * size, elapsedMs, waitedMs: 0, latencies: times.take() }
}
