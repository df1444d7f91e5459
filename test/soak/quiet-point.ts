import { readdirSync, readlinkSync } from 'node:fs'
import type { Client } from 'pg'
import { expect } from 'vitest'
import { letGo } from '../../src/fairies/lost-fairies.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { type Census, census } from '../support/census.ts'
import { eventually } from '../support/eventually.ts'
import type { ServerView } from '../support/server-view.ts'

/** What is there while nobody does anything. */
export interface Sample extends Census {
  /** Bytes, of this thread and of those that live throughout. */
  readonly heap: number
  readonly heaps: readonly number[]
}

/** Growth that means nothing: code that V8 has compiled meanwhile, and what it has learnt of types. */
const heapSlack = 6 * 2 ** 20

/** What the garbage collector finds late. It is the same for ten deaths and for a thousand. */
const countSlack = 5
const slackOf: Readonly<Record<string, number>> = {
  // A thread that runs the driver itself keeps those of connections that are gone until it opens another: 8 threads, 4 each.
  descriptors: 32 + countSlack,
  // The last of each thread and connection may be remembered.
  checkouts: 32,
}

/** Nobody works: all places are free, the server knows the pool's connections and no others, and none is in use or in a transaction. */
export async function inspect(pool: QueuePool<Client>, view: ServerView): Promise<void> {
  // This thread may have forgotten some itself, and just now.
  letGo()
  await census()
  await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  const { poolSize, checkedin, overflow } = pool.status()
  expect(overflow).toBe(checkedin - poolSize)
  const { empty, idle } = pool.slots.counts()
  expect(empty + idle).toBe(pool.slots.capacity)
  await eventually(async () => (await view.sessions()).map(({ state }) => state)).toEqual(Array(idle).fill('idle'))
  // Connections come and go; what they have opened in each thread goes with them.
  await pool.dispose()
  await eventually(() => view.sessions()).toEqual([])
}

/**
 * What there is now, once it is no more than in an earlier sample: the system closes a dead thread's last descriptors a little
 * after its exit, and not all garbage is found by the first collection. @throws what has been left behind since.
 */
export async function sample(heaps: readonly number[], earlier: Sample | undefined): Promise<Sample> {
  let now: Sample
  await eventually(async () => {
    now = { ...(await census()), descriptors: descriptors(), heap: process.memoryUsage().heapUsed, heaps }
    return earlier === undefined ? [] : growth(now, earlier)
  }).toEqual([])
  return now!
}

/** Sockets, pipes and the like. Not files: a thread that is killed while Node loads its modules leaves those open that were being read. */
function descriptors(): number {
  if (process.platform !== 'linux') return 0
  const folder = '/proc/self/fd'
  return readdirSync(folder).filter(name => {
    try {
      return !readlinkSync(`${folder}/${name}`).startsWith('/')
    } catch {
      // It was that of the reading itself.
      return false
    }
  }).length
}

function growth({ heap, heaps, ...counts }: Sample, earlier: Sample): string[] {
  const grown: string[] = []
  for (const [what, count] of Object.entries(counts)) {
    const before = earlier[what as keyof Census]
    if (count > before + (slackOf[what] ?? countSlack)) grown.push(`${what}: ${before}, then ${count}`)
  }
  for (const [place, bytes] of [heap, ...heaps].entries()) {
    const before = [earlier.heap, ...earlier.heaps][place]!
    if (bytes > before + heapSlack) grown.push(`heap of thread ${place}: ${before}, then ${bytes}`)
  }
  return grown
}
