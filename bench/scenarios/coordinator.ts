import type { Scenario } from '../contender.ts'
import { coordinatorLoad } from '../rivals/coordinator-load.ts'

const each = (threads: number) => coordinatorLoad(threads === 1 ? '1 thread' : `${threads} threads`, threads, threads)

/** What the thread that owns the pool has to do while others check out, query and close. */
export const coordinatorScenarios: readonly Scenario[] = [
  {
    id: 'P7',
    target: 'P7',
    name: "coordinator's event loop, a connection for each thread",
    terms: { threads: 16, tasks: 1, connections: 16, rows: 1 },
    metrics: ['cycles/s', 'loop/10,000'],
    // The last one for context: where threads wait for each other, somebody has to hand over.
    entrants: [...[1, 2, 4, 8, 16].map(each), coordinatorLoad('16 threads on 4', 16, 4)],
    length: 0.5,
    warmUpSeconds: 6,
  },
]
