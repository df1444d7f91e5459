import type { Scenario } from '../contender.ts'
import { leakedFairies } from '../rivals/leaked-fairies.ts'

/** How soon a pool gets back what two threads have lost, when a third one wants it. */
export const leakedScenarios: readonly Scenario[] = [
  {
    id: 'P9',
    target: 'P9',
    name: 'pool starved by leaked fairies: a connection reclaimed',
    terms: { threads: 3, tasks: 1, connections: 4, rows: 1 },
    metrics: ['p50 to reclaim', 'longest to reclaim'],
    entrants: [leakedFairies],
    warmUpSeconds: 0,
  },
]
