import type { Entrant } from '../contender.ts'
import { startPgBouncer } from '../pgbouncer.ts'
import { poolsOf } from './own-pools.ts'

/** The proxy outside the process: every task of every thread has its own connection to it, and it has as many as the shared pool. */
const bouncer = (file: string): Entrant => ({
  name: 'PgBouncer',
  async open(database, { threads, connections, tasks }) {
    const { config, close } = await startPgBouncer(database, connections)
    const crew = await poolsOf(file, config, threads, tasks).catch(async error => {
      await close()
      throw error
    })
    return {
      run: plan => crew.run(plan),
      async close() {
        await crew.close()
        await close()
      },
    }
  },
})

export const pgBouncer = bouncer('bench-own-pool')
/** The same with `pool.query()`. */
export const pgBouncerQueries = bouncer('bench-own-query')
