import type { ClientConfig } from 'pg'
import type { ShareAddress } from '../../src/index.ts'
import type { Entrant } from '../contender.ts'
import { Crew } from '../crew.ts'
import { Hand } from '../hand.ts'
import { cyclesOf, summary } from '../summary.ts'
import type { SharedPoolData } from './shared-pool.ts'

/** What a thread is told that does nothing but own the pool. */
export interface CoordinatorData {
  readonly database: ClientConfig
  readonly connections: number
}

/** `load`: for how many milliseconds its event loop has been at work so far. `close`: closes the pool, and says the same. */
export type CoordinatorRequest = 'load' | 'close'

/** So many threads, and a coordinator that has a thread for itself: what its event loop does is for them alone. */
export const coordinatorLoad = (name: string, threads: number, connections: number): Entrant => ({
  name,
  async open(database) {
    const coordinator = await Hand.start<ShareAddress>('bench-coordinator', {
      database,
      connections,
    } satisfies CoordinatorData)
    const ask = (request: CoordinatorRequest): Promise<number> => coordinator.ask<number>(request)
    const end = async (): Promise<void> => {
      await ask('close')
      await coordinator.kill()
    }
    const data: Omit<SharedPoolData, 'thread'> = { address: coordinator.greeting, connections }
    const crew = await Crew.start('bench-shared-pool', threads, data).catch(async error => {
      await end()
      throw error
    })
    return {
      detail: crew.greetings.join(', '),
      async run(plan) {
        const before = await ask('load')
        const report = await crew.work(plan)
        const load = (await ask('load')) - before
        return { ...summary(report), 'loop/10,000': (load / cyclesOf(report)) * 10_000 }
      },
      async close() {
        await crew.close()
        await end()
      },
    }
  },
})
