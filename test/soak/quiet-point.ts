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

/** Nobody works: all places are free, the server knows the pool's connections and no others, and none is in use or in a transaction. */
export async function inspect(pool: QueuePool<Client>, view: ServerView, heaps: readonly number[]): Promise<Sample> {
  const { poolSize } = pool.status()
  // This thread may have forgotten some itself, and just now.
  letGo()
  await census()
  await eventually(() => pool.status())
    .toMatchObject({ checkedout: 0, waiting: 0 })
    .catch(error => {
      console.log('HOLDERS', JSON.stringify(pool.holders()), JSON.stringify(pool.slots.counts()), pool.slots.holders())
      for (let i = 0; i < pool.slots.capacity; i++) console.log(i, pool.slots.state(i), pool.slots.word(i))
      console.log(pool.status())
      throw error
    })
  const { checkedin, overflow } = pool.status()
  expect(overflow).toBe(checkedin - poolSize)
  const { empty, idle } = pool.slots.counts()
  expect(empty + idle).toBe(pool.slots.capacity)
  await eventually(async () => (await view.sessions()).map(({ state }) => state)).toEqual(Array(idle).fill('idle'))
  // Connections come and go; what they have opened in each thread goes with them.
  await pool.dispose()
  await eventually(() => view.sessions()).toEqual([])
  const seen = await census()
  return { ...seen, heap: process.memoryUsage().heapUsed, heaps }
}

/** @throws what a soak has left behind since the earlier sample. */
export function compare({ heap, heaps, ...counts }: Sample, earlier: Sample): void {
  const { heap: heapBefore, heaps: heapsBefore, ...countsBefore } = earlier
  for (const [what, count] of Object.entries(counts)) {
    expect(count - countsBefore[what as keyof Census], what).toBeLessThanOrEqual(countSlack)
  }
  const mine = { heap: heap - heapBefore }
  expect(mine.heap, 'the heap of the coordinator').toBeLessThan(heapSlack)
  for (const [place, bytes] of heaps.entries()) {
    expect(bytes - heapsBefore[place]!, `the heap of thread ${place + 1}`).toBeLessThan(heapSlack)
  }
}
