import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Client } from 'pg'
import { monotonicMs } from '../base/clock.ts'
import { createPool, type QueuePool, type ShareAddress } from '../index.ts'
import { pg } from '../pg.ts'
import { type Database, DatabaseError } from './database.ts'
import { LeaseEnds } from './lease-ends.ts'
import { lineLogger } from './line-logger.ts'
import type { DemoOptions } from './options.ts'
import type { Progress } from './progress.ts'
import { median } from './statistics.ts'
import { workerFile } from './worker-file.ts'

/** What the worker to be killed is given. */
export interface HangData {
  readonly address: ShareAddress
  readonly schema: string
  readonly aid: number
}

/** One worker, terminated in a query of a transaction, while a caller waited for its connection. Times are from the kill on. */
export interface Killing {
  readonly threadId: number
  /** What the pool said of the lease. */
  readonly reason: string | undefined
  /** The waiter had a new connection, to another server session. */
  readonly replaced: boolean
  readonly replacedMs: number
  /** The server knew the old session no more. */
  readonly sessionGone: boolean
  readonly sessionGoneMs: number
  /** What the transaction had changed was as before. */
  readonly rolledBack: boolean
}

export interface KilledWorkers {
  readonly kills: readonly Killing[]
  /** The median time of one connect to this server, to compare with. */
  readonly connectMs: number
}

const kills = 5
const aid = 1
export const killedSteps = kills

/** Workers that are terminated in a transaction that runs a query, each time while the pool has no other connection to give. */
export async function killWorkers(
  database: Database,
  { connections }: DemoOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<KilledWorkers> {
  const connectionString = database.urlFor('killed')
  await using pool = createPool({
    dialect: pg({ connectionString }),
    poolSize: connections,
    maxOverflow: 0,
    logger: lineLogger,
  })
  const address = pool.share()
  const others = []
  const done: Killing[] = []
  const connectTimes: number[] = []
  try {
    for (let other = 1; other < connections; other++) others.push(await pool.connect())
    for (let kill = 1; kill <= kills; kill++) {
      progress.step('Killing workers in a transaction')
      done.push(await killOne(database, pool, { address, schema: database.schema, aid }, signal))
      // In turns, so that a machine's moods hit both.
      connectTimes.push(await timeConnect(database))
    }
  } finally {
    for (const other of others) await other.close()
  }
  return { kills: done, connectMs: median(connectTimes) }
}

async function killOne(
  database: Database,
  pool: QueuePool<Client>,
  data: HangData,
  signal: AbortSignal,
): Promise<Killing> {
  const before = await balance(database)
  const worker = new Worker(workerFile('demo-hang'), { workerData: data })
  // Should it fail, it is missed where it is waited for.
  worker.on('error', () => {})
  const ends = new LeaseEnds(pool)
  try {
    const { threadId } = worker
    const [pid] = (await once(worker, 'message', { signal })) as [number]
    if (!(await eventually(() => sleeps(database, pid), signal)))
      throw new DatabaseError(`Session ${pid} runs no query.`)
    const waiter = pool.connect({ timeoutMs: 10_000, signal })
    const start = monotonicMs()
    const terminated = worker.terminate()
    const connection = await waiter
    const replacedMs = monotonicMs() - start
    const sessionGone = await eventually(async () => !(await database.isAlive(pid)), signal)
    const sessionGoneMs = monotonicMs() - start
    const { rows } = await connection.query<{ pid: number }>('select pg_backend_pid() as pid')
    const replaced = rows[0]!.pid !== pid
    await connection.close()
    await terminated
    const reason = ends.heard.find(end => end.threadId === threadId)?.reason
    const rolledBack = (await balance(database)) === before
    return { threadId, reason, replaced, replacedMs, sessionGone, sessionGoneMs, rolledBack }
  } finally {
    ends.close()
    await worker.terminate()
  }
}

async function balance({ control, schema }: Database): Promise<number> {
  const text = `select abalance from ${schema}.accounts where aid = $1`
  const { rows } = await control.query<{ abalance: number }>(text, [aid])
  return rows[0]!.abalance
}

async function sleeps({ control }: Database, pid: number): Promise<boolean> {
  const { rowCount } = await control.query(`select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'`, [
    pid,
  ])
  return rowCount === 1
}

/** False when it does not hold within ten seconds. */
async function eventually(holds: () => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  const deadline = monotonicMs() + 10_000
  while (!(await holds())) {
    if (monotonicMs() > deadline) return false
    await delay(1, undefined, { signal })
  }
  return true
}

async function timeConnect(database: Database): Promise<number> {
  const start = monotonicMs()
  const client = await database.connect('connect')
  const ms = monotonicMs() - start
  await client.end()
  return ms
}
