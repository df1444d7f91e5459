import type { Pool } from '../../src/pool/pool.ts'

/** How many connections each thread holds, by its id, at this moment. */
export function heldBy<C extends object>(pool: Pool<C>): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { threadId } of pool.custody.now()) counts[threadId] = (counts[threadId] ?? 0) + 1
  return counts
}
