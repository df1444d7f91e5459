import type { ClientConfig } from 'pg'
import type { Entrant } from '../contender.ts'
import { Crew } from '../crew.ts'
import type { ThreadData } from '../thread.ts'

/** What a thread with its own pool is told. */
export interface OwnPoolData extends ThreadData {
  readonly database: ClientConfig
  readonly max: number
}

/** A `pg.Pool` of `max` in every thread, which runs a file of `workers/`. */
export const poolsOf = (file: string, database: ClientConfig, threads: number, max: number): Promise<Crew> =>
  Crew.start(file, threads, { database, max } satisfies Omit<OwnPoolData, 'thread'>)

/** Today's way: one `pg.Pool` in every thread, with so many times the connections that the shared pool has in all. */
const pools = (file: string, name: string, times: number): Entrant => ({
  name,
  open: (database, { threads, connections }) => poolsOf(file, database, threads, (connections * times) / threads),
})

export const ownPools = pools('bench-own-pool', 'own pools', 1)
/** One connection for each thread, where there are four threads to a connection of the shared pool. */
export const fourfoldPools = pools('bench-own-pool', 'own pools × 4', 4)
export const tenfoldPools = pools('bench-own-pool', 'own pools × 10', 10)

/** The same with `pool.query()`. */
export const ownQueries = pools('bench-own-query', 'own pools', 1)
export const tenfoldQueries = pools('bench-own-query', 'own pools × 10', 10)
