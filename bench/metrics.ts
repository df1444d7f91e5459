/** What is measured, with its unit. Times are of one cycle unless the name says otherwise. */
export const units = {
  'cycles/s': 'cycles/s',
  /** In the mean. */
  cycle: 'µs',
  p50: 'µs',
  p99: 'µs',
  /** Processor time of this process, all its threads. Neither the server's nor PgBouncer's is in it. */
  'cpu/cycle': 'µs',
  /** Cycles of the busiest thread over those of the idlest. */
  'busiest/idlest': '×',
  /** How long a thread waited for a connection in the mean: the longest of the threads over the mean of all. */
  'longest/mean wait': '×',
  /** For which the coordinator's event loop was at work, for 10,000 cycles of all threads together. */
  'loop/10,000': 'ms',
  /** One connect without a pool, in the median; and how much longer than that a waiter waited from the kill on. */
  connect: 'ms',
  'p50 beyond it': 'ms',
  'p99 beyond it': 'ms',
  'p50 to reclaim': 'ms',
  'longest to reclaim': 'ms',
} as const

export type Metric = keyof typeof units
export type Unit = (typeof units)[Metric]

/** One round of one contender. */
export type Measurement = Readonly<Partial<Record<Metric, number>>>

/** What most scenarios show. */
export const throughput: readonly Metric[] = ['cycles/s', 'p50', 'p99', 'cpu/cycle']
