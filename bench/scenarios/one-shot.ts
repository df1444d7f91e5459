import { type Scenario, termsText } from '../contender.ts'
import { throughput } from '../metrics.ts'
import { ownQueries, tenfoldQueries } from '../rivals/own-pools.ts'
import { pgBouncerQueries } from '../rivals/pgbouncer.ts'
import { sharedQueries } from '../rivals/shared-pool.ts'

const terms = { threads: 4, tasks: 32, connections: 4, rows: 1 }

/** Statements that need no connection of their own: `pool.query(text, values)`. */
export const oneShotScenarios: readonly Scenario[] = [
  {
    id: 'P5',
    target: 'P5',
    name: `pool.query(), ${termsText(terms)}`,
    terms,
    metrics: throughput,
    entrants: [sharedQueries, ownQueries, tenfoldQueries, pgBouncerQueries],
  },
]
