import { onTestFinished } from 'vitest'
import { createPool } from '../../src/coordinator/create-pool.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'

/** A pool for the test that runs, shared, and closed with it. */
export function openPool<C extends object>(options: PoolOptions<C>, name?: string): QueuePool<C> {
  const pool = createPool<C>(options)
  pool.share(name === undefined ? {} : { name })
  onTestFinished(async () => {
    pool.unshare()
    await pool.dispose()
  })
  return pool
}
