import { setImmediate } from 'node:timers/promises'
import type { Client } from 'pg'
import { attach, DeadlockError } from '../../src/worker.ts'

const pool = await attach<Client>()

/**
 * Says how a task that wants a second connection fares, once so many tasks have their first: `both`, or the code of its failure and how
 * many held what then.
 */
export async function nested({ holding, all }: { holding: Int32Array; all: number }): Promise<string> {
  const first = await pool.connect()
  try {
    await first.query('select 1')
    Atomics.add(holding, 0, 1)
    while (Atomics.load(holding, 0) < all) await setImmediate()
    const second = await pool.connect()
    await second.query('select 1')
    await second.close()
    return 'both'
  } catch (error) {
    if (error instanceof DeadlockError) return `${error.code} ${error.holders.length}`
    throw error
  } finally {
    await first.close()
  }
}

export default nested
