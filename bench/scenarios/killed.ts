import type { Scenario } from '../contender.ts'
import { killedWorker } from '../rivals/killed-worker.ts'

/** How soon a connection is replaced whose thread has been killed in a query, beyond what it takes to connect. */
export const killedScenarios: readonly Scenario[] = [
  {
    id: 'P8',
    target: 'P8',
    name: 'worker killed in a query: the next waiter served',
    terms: { threads: 2, tasks: 1, connections: 1, rows: 1 },
    metrics: ['connect', 'p50 beyond it', 'p99 beyond it'],
    entrants: [killedWorker],
    warmUpSeconds: 0,
  },
]
