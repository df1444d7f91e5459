import type { Client } from 'pg'
import { expect, it } from 'vitest'
import { startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import { type Census, census, growth } from '../support/census.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { poolWarnings } from '../support/pool-warnings.ts'
import { ServerView } from '../support/server-view.ts'
import { TestWorker } from '../support/test-worker.ts'

/** How many workers die; the long run has 1000. */
const deaths = Number(process.env.FAIRYPOOL_DEATHS ?? 40)
const atATime = 4

const states = [
  'attached',
  'status asked',
  'waiting',
  'borrowing',
  'in a query',
  'in a transaction',
  'detached',
  'closing',
] as const
const kinds = ['terminated', 'exits', 'throws'] as const

/** A worker that attaches, gets into one of the states, and dies there in one of the ways. Nothing of it is kept. */
async function liveAndDie(round: number): Promise<void> {
  const kind = kinds[round % kinds.length]!
  const worker = new TestWorker()
  worker.runToDeath(
    async ({ attach, say }, state, kind) => {
      const pool = await attach<Client>()
      if (state === 'status asked') void pool.status()
      if (state === 'waiting') for (let i = 0; i < 8; i++) pool.connect().catch(() => {})
      if (state !== 'attached' && state !== 'status asked' && state !== 'waiting') {
        const conn = await pool.connect()
        if (state === 'detached') await conn.detach()
        if (state === 'in a transaction') await conn.query('begin')
        if (state === 'in a query' || state === 'closing') conn.query('select pg_sleep(300)').catch(() => {})
        if (state === 'closing') void conn.close()
        if (state === 'borrowing') await conn.query('select 1')
      }
      setImmediate(() => {
        say('now')
        if (kind === 'exits') process.exit()
        if (kind === 'throws') throw new Error('on purpose')
      })
      await new Promise(() => {})
    },
    states[round % states.length]!,
    kind,
  )
  if (kind === 'terminated') {
    await worker.hear()
    await worker.terminate()
  }
  await worker.exited
}

async function churn(count: number): Promise<void> {
  let next = 0
  const line = async (): Promise<void> => {
    while (next < count) await liveAndDie(next++)
  }
  await Promise.all(Array.from({ length: atATime }, line))
}

it(
  `${deaths} worker deaths in a row leave no port, listener, descriptor, slot or server connection behind`,
  async () => {
    // A call in flight at a close is what some of them die of.
    poolWarnings()
    const server = await startPostgres()
    const view = await ServerView.of(server)
    try {
      const logger = { debug() {}, info() {}, warn() {}, error() {} }
      const pool = openPool<Client>({ dialect: pg(server.connectionString), poolSize: 2, maxOverflow: 1, logger })
      const quiet = async (): Promise<Census> => {
        await eventually(() => pool.slots.sessions.count).toBe(1)
        await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
        // What is idle has no say here.
        await pool.dispose()
        await eventually(() => view.sessions()).toEqual([])
        expect(pool.slots.counts()).toMatchObject({ empty: 3 })
        return census()
      }
      // What a first worker makes the process load and open stays.
      await churn(2 * states.length)
      let before!: Census
      // The last to die may still be on its way out, and would hide one that stays.
      await eventually(async () => {
        before = await quiet()
        return before
      }).toMatchObject({ sessions: 0, checkouts: 0 })
      const start = performance.now()
      const heap = process.memoryUsage().heapUsed
      await churn(deaths)
      const seconds = (performance.now() - start) / 1000
      let after: Census | undefined
      // A thread's last descriptors are closed by the system a little after its exit.
      await eventually(async () => {
        after = await quiet()
        return growth(after, before)
      }).toEqual([])
      const grown = ((process.memoryUsage().heapUsed - heap) / 2 ** 20).toFixed(2)
      console.log(
        `${deaths} deaths in ${seconds.toFixed(1)} s, heap ${grown} MiB more; before and after:`,
        before,
        after,
      )
    } finally {
      await view.close()
      await server.remove()
    }
  },
  60_000 + deaths * 1000,
)
