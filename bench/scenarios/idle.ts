import type { Scenario } from '../contender.ts'
import { oneThreadEntrants } from '../rivals/one-thread.ts'
import { idlePool } from '../rivals/shared-pool.ts'

/** What a pool costs by itself: nobody else wants anything, and nothing is asked of the database. */
export const idleScenarios: readonly Scenario[] = [
  {
    id: 'P1',
    target: 'P1',
    name: 'connect + close, 1 thread',
    terms: { threads: 1, tasks: 1, connections: 4, rows: 1 },
    metrics: ['cycles/s', 'cycle'],
    entrants: [idlePool, ...oneThreadEntrants],
    length: 0.4,
    warmUpSeconds: 5,
  },
]
