import type { ClientConfig } from 'pg'
import type { Contender } from '../contender.ts'
import { Crew } from '../crew.ts'
import type { ThreadData } from '../thread.ts'

/** What a thread with its own pool is told. */
export interface OwnPoolData extends ThreadData {
  readonly database: ClientConfig
  readonly max: number
}

/** Today's way: one `pg.Pool` in every thread, with as many connections in all. */
export async function ownPools(database: ClientConfig, threads: number, connections: number): Promise<Contender> {
  const max = connections / threads
  const crew = await Crew.start('bench-own-pool', threads, { database, max } satisfies Omit<OwnPoolData, 'thread'>)
  return { name: 'own pools', run: plan => crew.run(plan), close: () => crew.close() }
}
