import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createPool, type PoolCounts } from '../index.ts'
import { pg } from '../pg.ts'
import { createWorkers } from '../piscina.ts'
import type { Database } from './database.ts'
import type { ForgetTask, Forgotten } from './forgetful.ts'
import { type HeardEnd, LeaseEnds } from './lease-ends.ts'
import { lineLogger } from './line-logger.ts'
import type { DemoOptions } from './options.ts'
import type { Progress } from './progress.ts'
import { workerFile } from './worker-file.ts'

/** How one forgotten connection came home. */
export interface Homecoming {
  readonly threadId: number
  /** Where its task forgot it: as it ended, or on its way. */
  readonly forgotten: 'end' | 'drop'
  /** What the pool says brought it home; undefined: it has not come. */
  readonly reason: string | undefined
  readonly heldMs: number | undefined
  /** From when the task let go of it until the pool knew. */
  readonly homeAfterMs: number | undefined
}

export interface ForgottenFairies {
  readonly homecomings: readonly Homecoming[]
  /** Connections still out at the end. */
  readonly checkedout: number
  /** What Node's process warnings said, each once. */
  readonly warnings: readonly string[]
}

const each = 10
export const forgottenSteps = 2

/** Tasks that never close their connections: half end, half go on without them and collect garbage. */
export async function forgetFairies(
  database: Database,
  { threads, connections }: DemoOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<ForgottenFairies> {
  const connectionString = database.urlFor('forgotten')
  await using pool = createPool({
    dialect: pg({ connectionString }),
    poolSize: connections,
    maxOverflow: 0,
    traceCheckouts: true,
    logger: lineLogger,
  })
  const filename = fileURLToPath(workerFile('demo-forget'))
  const count = Math.min(threads, 2 * each)
  // The warnings are part of what is shown; they need not be printed as well.
  const crew = { minThreads: count, maxThreads: count, execArgv: ['--no-warnings'] }
  const piscina = createWorkers(pool, { ...crew, filename })
  const ends = new LeaseEnds(pool)
  const warnings = new Set<string>()
  const homecomings: Homecoming[] = []
  try {
    for (const name of ['end', 'drop'] as const) {
      progress.step(
        name === 'end' ? 'Forgetting connections as tasks end' : 'Forgetting connections in tasks that go on',
      )
      const before = homecomings.length
      const tasks = Array.from(
        { length: each },
        (_, index): ForgetTask => ({ schema: database.schema, aid: before + index + 1 }),
      )
      const told = (await Promise.all(tasks.map(task => piscina.run(task, { name, signal })))) as Forgotten[]
      await ends.until(before + each)
      for (const { warnings: heard } of told) for (const warning of heard) warnings.add(warning)
      homecomings.push(...match(name, told, ends.heard.slice(before)))
    }
    return { homecomings, checkedout: await checkedoutAtRest(pool), warnings: [...warnings] }
  } finally {
    ends.close()
    await piscina.destroy()
  }
}

/** A thread runs one task at a time, so its leases end in the order in which its tasks let go. */
function match(forgotten: 'end' | 'drop', told: readonly Forgotten[], heard: readonly HeardEnd[]): Homecoming[] {
  const ends = [...heard]
  const inOrder = [...told].sort((a, b) => a.at - b.at)
  return inOrder.map(({ threadId, at }) => {
    const index = ends.findIndex(end => end.threadId === threadId)
    const end = index === -1 ? undefined : ends.splice(index, 1)[0]
    return { threadId, forgotten, reason: end?.reason, heldMs: end?.heldMs, homeAfterMs: end && end.at - at }
  })
}

/** A connection that has come home is reset before it is idle: a round trip to the server. */
async function checkedoutAtRest(pool: { status(): PoolCounts }): Promise<number> {
  for (let tries = 0; tries < 500 && pool.status().checkedout > 0; tries++) await delay(10)
  return pool.status().checkedout
}
