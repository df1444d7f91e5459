import { EventEmitter } from 'node:events'
import { createPool as createGenericPool } from 'generic-pool'
import { Pool as LightningPool } from 'lightning-pool'
import pg, { type ClientBase } from 'pg'
import { Pool as TarnPool } from 'tarn'
import type { Burst } from '../bursts.ts'
import type { Entrant } from '../contender.ts'
import { Crew } from '../crew.ts'
import type { ThreadData } from '../thread.ts'

/** What a thread with one of these pools is told. */
export interface OneThreadData extends ThreadData {
  readonly pool: OneThreadPool
  readonly max: number
}

/** A client that does nothing, of the shape that pg-pool looks for: what is measured is the pool alone. */
class IdleClient extends EventEmitter {
  readonly _queryable = true
  readonly connect = (connected: () => void): void => connected()
  readonly end = (ended: () => void): void => ended()
  readonly ref = (): void => {}
  readonly unref = (): void => {}
}

function pgPool(max: number, options: { readonly idleTimeoutMillis?: number }): Burst {
  const pool = new pg.Pool({ ...options, max, Client: IdleClient as unknown as new () => ClientBase })
  return async count => {
    for (let i = 0; i < count; i++) (await pool.connect()).release()
  }
}

/** The pools that a thread can have for itself, with the settings that they have when nobody says anything. */
export const oneThreadPools = {
  'pg-pool': (max: number): Burst => pgPool(max, {}),
  'pg-pool, no idle timer': (max: number): Burst => pgPool(max, { idleTimeoutMillis: 0 }),
  tarn(max: number): Burst {
    const pool = new TarnPool({ create: async () => ({}), destroy: () => {}, min: 0, max })
    return async count => {
      for (let i = 0; i < count; i++) pool.release(await pool.acquire().promise)
    }
  },
  'generic-pool'(max: number): Burst {
    const pool = createGenericPool({ create: async () => ({}), destroy: async () => {} }, { max })
    return async count => {
      for (let i = 0; i < count; i++) await pool.release(await pool.acquire())
    }
  },
  'lightning-pool'(max: number): Burst {
    const pool = new LightningPool({ create: () => ({}), destroy: () => {} }, { max })
    return async count => {
      for (let i = 0; i < count; i++) pool.release(await pool.acquire())
    }
  },
} as const satisfies Readonly<Record<string, (max: number) => Burst>>

export type OneThreadPool = keyof typeof oneThreadPools

/** Pools that no other thread can use, over resources that do nothing. */
export const oneThreadEntrants: readonly Entrant[] = (Object.keys(oneThreadPools) as OneThreadPool[]).map(pool => ({
  name: pool,
  open: (_database, { connections }) =>
    Crew.start('bench-one-thread', 1, { pool, max: connections } satisfies Omit<OneThreadData, 'thread'>),
}))
