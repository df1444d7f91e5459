import type { Client, ClientConfig } from 'pg'
import { ArgumentError, createPool, type PoolOptions, type QueuePool, type ShareAddress } from '../../src/index.ts'
import { pg } from '../../src/pg.ts'
import { type Entrant, Unavailable } from '../contender.ts'
import { Crew } from '../crew.ts'
import type { ThreadData } from '../thread.ts'

/** What a thread that shares the pool is told. */
export interface SharedPoolData extends ThreadData {
  readonly address: ShareAddress
  readonly connections: number
}

/** What the bench asks of a pool besides its size. Absent: whatever is best here. */
export interface SharedPoolWishes {
  readonly transport?: 'remote'
  readonly collectOnStarvation?: true
}

/** The one place where the bench makes a pool. @throws {Unavailable} this version has no such option. */
export function openSharedPool(
  database: ClientConfig,
  connections: number,
  wishes: SharedPoolWishes = {},
): QueuePool<Client> {
  const options: PoolOptions<Client> & SharedPoolWishes = {
    dialect: pg(database),
    poolSize: connections,
    maxOverflow: 0,
    ...wishes,
  }
  try {
    return createPool(options)
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error
    // Where there is no choice of transports, there is only this one.
    const { transport, ...others } = wishes
    if (transport === 'remote') return openSharedPool(database, connections, others)
    throw new Unavailable(`createPool() refused it: ${error.message.split('. ')[0]}`)
  }
}

/** fairypool: the one pool of all threads, each of which runs a file of `workers/`. */
const shared = (file: string, wishes?: SharedPoolWishes): Entrant => ({
  name: 'fairypool',
  async open(database, { threads, connections }) {
    const pool = openSharedPool(database, connections, wishes)
    const end = (): Promise<void> => pool[Symbol.asyncDispose]()
    const data: Omit<SharedPoolData, 'thread'> = { address: pool.share(), connections }
    const crew = await Crew.start(file, threads, data).catch(async error => {
      await end()
      throw error
    })
    return {
      detail: crew.greetings.join(', '),
      run: plan => crew.run(plan),
      async close() {
        const { waiting, checkedout } = pool.status()
        await crew.close()
        await end()
        if (waiting + checkedout === 0) return
        throw new Error(`After the last round ${checkedout} connections were out, ${waiting} callers waited.`)
      },
    }
  },
})

/** Checkout, query and close, by the best transport that there is. */
export const sharedPool = shared('bench-shared-pool')
/** The same, the coordinator running the driver. */
export const remotePool = shared('bench-shared-pool', { transport: 'remote' })
/** Checkout and close only, in one thread. */
export const idlePool = shared('bench-idle-pool')
/** One-shot statements, each its own transaction, pipelined over the shared connections. */
export const sharedQueries = shared('bench-shared-query')
