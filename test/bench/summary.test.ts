import { expect, it } from 'vitest'
import { cyclesOf, summary } from '../../bench/summary.ts'
import type { ThreadReport } from '../../bench/thread.ts'

const thread = (latencies: readonly number[], elapsedMs: number, waitedMs: number): ThreadReport => ({
  cycles: latencies.length,
  elapsedMs,
  waitedMs,
  latencies: Float64Array.from(latencies),
})

// 4 cycles in 4 ms and 2 in 8: 1000/s and 250/s.
const report = { threads: [thread([5, 1, 4, 2], 4, 4), thread([3, 6], 8, 10)], cpu: 120 }

it('the cycles of a crew are those of all its threads', () => {
  expect(cyclesOf(report)).toBe(6)
})

it('a round in figures adds throughputs, and takes quantiles over the cycles of all threads', () => {
  expect(summary(report)).toEqual({
    'cycles/s': 1250,
    cycle: 2500,
    p50: 4,
    p99: 6,
    'cpu/cycle': 20,
    'busiest/idlest': 4,
    // 1 ms a cycle and 5 ms a cycle: 3 in the mean of the two.
    'longest/mean wait': 5 / 3,
  })
})
