import type { Metric } from './metrics.ts'

/** What a figure should be; null: it is shown for context only. */
export type Bound = readonly [sense: 'at least' | 'at most', value: number] | null

/** A figure of one contender: by itself, over another's, or less another's. */
export interface Goal {
  readonly metric: Metric
  readonly of: string
  readonly over?: string
  readonly less?: string
  readonly bound: Bound
}

const atLeast = (value: number): Bound => ['at least', value]
const atMost = (value: number): Bound => ['at most', value]

const speed = (over: string, bound: Bound = null): Goal => ({ metric: 'cycles/s', of: 'fairypool', over, bound })
const figure = (metric: Metric, bound: Bound): Goal => ({ metric, of: 'fairypool', bound })

const contended = (leastSpeed: number): readonly Goal[] => [
  speed('own pools', atLeast(leastSpeed)),
  { metric: 'p99', of: 'fairypool', over: 'own pools', bound: atMost(1.1) },
  figure('busiest/idlest', atMost(1.2)),
  speed('own pools × 10'),
  speed('PgBouncer'),
]

/** All the targets, by the scenario that measures them. */
export const goals: Readonly<Record<string, readonly Goal[]>> = {
  P1: [
    { metric: 'cycle', of: 'fairypool', over: 'pg-pool', bound: atMost(0.5) },
    figure('cycle', atMost(1)),
    { metric: 'cycle', of: 'fairypool', over: 'pg-pool, no idle timer', bound: null },
  ],
  P2: [speed('own pools', atLeast(1.05)), speed('PgBouncer', atLeast(1.6))],
  'by threads': [speed('own pools'), speed('PgBouncer')],
  P3: [speed('own pools', atLeast(0.97)), speed('PgBouncer', atLeast(1.1))],
  'P4 on 4': contended(1),
  'P4 on 8': contended(1.25),
  'P4 for 8': [figure('longest/mean wait', atMost(2)), figure('busiest/idlest', null)],
  'P4 in turns': [speed('own pools × 4'), speed('PgBouncer')],
  P5: [speed('own pools', atLeast(3)), speed('own pools × 10', atLeast(2.5)), speed('PgBouncer')],
  P6: [speed('bare messages', atLeast(1)), speed('Comlink calls', atLeast(2))],
  'P6 by 1': [speed('bare messages'), speed('Comlink calls')],
  P7: [
    { metric: 'loop/10,000', of: '1 thread', bound: atMost(5) },
    { metric: 'loop/10,000', of: '16 threads', bound: atMost(5) },
    // No growth: a tenth of the budget is what the clock can't tell from none.
    { metric: 'loop/10,000', of: '16 threads', less: '1 thread', bound: atMost(0.5) },
  ],
  P8: [figure('p99 beyond it', atMost(10))],
  P9: [figure('longest to reclaim', atMost(100))],
  'P9 in pieces': [figure('longest to reclaim', null)],
}
