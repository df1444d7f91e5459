import type { Scenario } from '../contender.ts'
import { type Ballast, leakedFairies } from '../rivals/leaked-fairies.ts'

const leaked = (id: string, ballast: Ballast): Scenario => ({
  id,
  target: 'P9',
  name: `a starved pool's leak reclaimed, ${ballast.rows.toLocaleString('en-US')} rows of ${ballast.characters} characters held`,
  terms: { threads: 3, tasks: 1, connections: 4, rows: 1 },
  metrics: ['p50 to reclaim', 'longest to reclaim'],
  entrants: [leakedFairies(ballast)],
  warmUpSeconds: 0,
})

/** How soon a pool gets back what two threads have lost, when a third one wants it; in heaps of 50 MB. */
export const leakedScenarios: readonly Scenario[] = [
  leaked('P9', { rows: 100_000, characters: 400 }),
  { ...leaked('P9 in pieces', { rows: 500_000, characters: 20 }), isContext: true },
]
