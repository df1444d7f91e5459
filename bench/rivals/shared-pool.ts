import type { ClientConfig } from 'pg'
import { createPool } from '../../src/index.ts'
import { pg } from '../../src/pg.ts'
import type { Contender } from '../contender.ts'
import { Crew } from '../crew.ts'

/** fairypool: the one pool of all threads. */
export async function sharedPool(database: ClientConfig, threads: number, connections: number): Promise<Contender> {
  const pool = createPool({ dialect: pg(database), poolSize: connections, maxOverflow: 0 })
  const address = pool.share()
  const crew = await Crew.start('bench-shared-pool', threads, { address })
  return {
    name: 'fairypool (remote)',
    run: plan => crew.run(plan),
    async close() {
      const { waiting, checkedout } = pool.status()
      await crew.close()
      await pool[Symbol.asyncDispose]()
      if (waiting + checkedout > 0)
        throw new Error(`After the last round ${checkedout} connections were out, ${waiting} callers waited.`)
    },
  }
}
