import { type Scenario, type Terms, termsText } from '../contender.ts'
import { throughput } from '../metrics.ts'
import { fourfoldPools, ownPools, tenfoldPools } from '../rivals/own-pools.ts'
import { pgBouncer } from '../rivals/pgbouncer.ts'
import { sharedPool } from '../rivals/shared-pool.ts'

type Query = Pick<Scenario, 'id' | 'target' | 'entrants'> & Partial<Scenario>

const query = (terms: Terms, scenario: Query): Scenario => ({
  name: termsText(terms),
  terms,
  metrics: throughput,
  ...scenario,
})

const rivals = [sharedPool, ownPools, pgBouncer]
const fairness = [...throughput, 'busiest/idlest', 'longest/mean wait'] as const

const contended = (id: string, terms: Terms, entrants: Scenario['entrants']): Scenario =>
  query(terms, { id, target: 'P4', metrics: fairness, entrants })

/** One task and one connection for each thread, in other numbers than the targets'. */
const byThreads = (target: string, rows: number): Scenario[] =>
  [1, 2, 8, 16].map(threads =>
    query(
      { threads, tasks: 1, connections: threads, rows },
      { id: 'by threads', target, entrants: rivals, isContext: true },
    ),
  )

/** Checkout, query and close from many threads: P2 to P4. */
export const queryScenarios: readonly Scenario[] = [
  query({ threads: 4, tasks: 1, connections: 4, rows: 1 }, { id: 'P2', target: 'P2', entrants: rivals }),
  query({ threads: 4, tasks: 1, connections: 4, rows: 200 }, { id: 'P3', target: 'P3', entrants: rivals }),
  contended('P4 on 4', { threads: 4, tasks: 8, connections: 4, rows: 1 }, [...rivals, tenfoldPools]),
  contended('P4 on 8', { threads: 4, tasks: 8, connections: 8, rows: 1 }, [...rivals, tenfoldPools]),
  ...byThreads('P2', 1),
  ...byThreads('P3', 200),
  // Half a connection is no pool: here only sharing can do it. Eight threads compile for long on two cores: after 10 s of each the
  // ratio was 0.4, after 25 s 1.1.
  {
    ...contended('P4 for 8', { threads: 8, tasks: 8, connections: 4, rows: 1 }, [sharedPool, pgBouncer]),
    warmUpSeconds: 25,
  },
  // As Piscina has it by itself: one task a thread. Each connection goes from thread to thread.
  {
    ...contended('P4 in turns', { threads: 16, tasks: 1, connections: 4, rows: 1 }, [
      sharedPool,
      fourfoldPools,
      pgBouncer,
    ]),
    isContext: true,
    warmUpSeconds: 25,
  },
]
