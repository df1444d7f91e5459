import type { Measurement } from './metrics.ts'
import { mean, quantile } from './statistics.ts'
import type { ThreadReport } from './thread.ts'

/** What the threads of one contender did in one round. */
export interface CrewReport {
  readonly threads: readonly ThreadReport[]
  /** Processor time of the process meanwhile, in microseconds. */
  readonly cpu: number
}

export const cyclesOf = ({ threads }: CrewReport): number => threads.reduce((sum, { cycles }) => sum + cycles, 0)

/** One round in figures. Throughput is the sum of the threads' own: each has stopped when its last cycle was over. */
export function summary(report: CrewReport): Measurement {
  const { threads, cpu } = report
  const cycles = cyclesOf(report)
  const latencies = joined(threads.map(thread => thread.latencies)).sort()
  const speeds = threads.map(thread => thread.cycles / thread.elapsedMs)
  const waits = threads.map(thread => thread.waitedMs / thread.cycles)
  return {
    'cycles/s': speeds.reduce((sum, speed) => sum + speed, 0) * 1000,
    cycle: mean(speeds.map(speed => 1000 / speed)),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    'cpu/cycle': cpu / cycles,
    'busiest/idlest': Math.max(...speeds) / Math.min(...speeds),
    'longest/mean wait': Math.max(...waits) / mean(waits),
  }
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
