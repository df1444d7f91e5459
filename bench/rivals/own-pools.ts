import type { ClientConfig } from 'pg'
import type { Entrant } from '../contender.ts'
import { Crew } from '../crew.ts'
import type { ThreadData } from '../thread.ts'

/** What a thread with its own pool is told. */
export interface OwnPoolData extends ThreadData {
  readonly database: ClientConfig
  readonly max: number
}

/** A `pg.Pool` of `max` in every thread. */
export const poolsOf = (database: ClientConfig, threads: number, max: number): Promise<Crew> =>
  Crew.start('bench-own-pool', threads, { database, max } satisfies Omit<OwnPoolData, 'thread'>)

/** Today's way: one `pg.Pool` in every thread, with so many times the connections that the shared pool has in all. */
const times = (factor: number, name: string): Entrant => ({
  name,
  open: (database, { threads, connections }) => poolsOf(database, threads, (connections * factor) / threads),
})

export const ownPools = times(1, 'own pools')
export const tenfoldPools = times(10, 'own pools × 10')
