import type { Entrant } from '../contender.ts'
import { startPgBouncer } from '../pgbouncer.ts'
import { poolsOf } from './own-pools.ts'

/** The proxy outside the process: every task of every thread has its own connection to it, and it has as many as the shared pool. */
export const pgBouncer: Entrant = {
  name: 'PgBouncer',
  async open(database, { threads, connections, tasks }) {
    const bouncer = await startPgBouncer(database, connections)
    const crew = await poolsOf(bouncer.config, threads, tasks).catch(async error => {
      await bouncer.close()
      throw error
    })
    return {
      run: plan => crew.run(plan),
      async close() {
        await crew.close()
        await bouncer.close()
      },
    }
  },
}
