import pg, { type Client, type ClientConfig } from 'pg'
import { monotonicMs } from '../../src/base/clock.ts'
import type { ShareAddress } from '../../src/index.ts'
import type { Contender, Entrant } from '../contender.ts'
import { Hand } from '../hand.ts'
import { quantile } from '../statistics.ts'
import { openSharedPool } from './shared-pool.ts'

/** What the killed thread and the waiting one are told. */
export interface KilledWorkerData {
  readonly address: ShareAddress
}

/** In a round of a second. */
const killsPerSecond = 50

/** One connection: the thread that has it is killed in a query, and another one waits for it. */
export const killedWorker: Entrant = {
  name: 'fairypool',
  async open(database): Promise<Contender> {
    const pool = openSharedPool(database, 1)
    const data: KilledWorkerData = { address: pool.share() }
    const waiter = await Hand.start<string>('bench-waiter', data)
    const observer = new pg.Client(database)
    await observer.connect()
    return {
      detail: waiter.greeting,
      async run({ seconds }) {
        const kills = Math.max(2, Math.round(killsPerSecond * seconds))
        const served = new Float64Array(kills)
        const connects = new Float64Array(kills)
        for (let i = 0; i < kills; i++) {
          served[i] = await servedAfterKill(data, waiter, observer)
          connects[i] = await timeToConnect(database)
        }
        const connect = quantile(connects.sort(), 0.5)
        const beyond = served.map(ms => ms - connect).sort()
        return { connect, 'p50 beyond it': quantile(beyond, 0.5), 'p99 beyond it': quantile(beyond, 0.99) }
      },
      async close() {
        await waiter.kill()
        await observer.end()
        await pool[Symbol.asyncDispose]()
      },
    }
  },
}

/** From the kill to the moment at which the waiting thread has a connection, in milliseconds. */
async function servedAfterKill(data: KilledWorkerData, waiter: Hand, observer: Client): Promise<number> {
  const victim = await Hand.start<number>('bench-victim', data)
  await untilItSleeps(observer, victim.greeting)
  await waiter.ask<'waiting'>('wait')
  const served = waiter.heard<number>()
  const killedAt = monotonicMs()
  const dead = victim.kill()
  const servedAt = await served
  await dead
  return servedAt - killedAt
}

/** The server's own word for it: the query runs. */
async function untilItSleeps(observer: Client, pid: number): Promise<void> {
  for (;;) {
    const { rowCount } = await observer.query(
      `select from pg_stat_activity where pid = ${pid} and wait_event = 'PgSleep'`,
    )
    if (rowCount === 1) return
  }
}

async function timeToConnect(database: ClientConfig): Promise<number> {
  const client = new pg.Client(database)
  const before = monotonicMs()
  await client.connect()
  const took = monotonicMs() - before
  await client.end()
  return took
}
