import { type Scenario, termsText } from '../contender.ts'
import { throughput } from '../metrics.ts'
import { bareMessages } from '../rivals/bare-messages.ts'
import { comlinkCalls } from '../rivals/comlink-calls.ts'
import { remotePool } from '../rivals/shared-pool.ts'

function scenario(id: string, tasks: number): Scenario {
  const terms = { threads: 4, tasks, connections: 4, rows: 1 }
  const entrants = [remotePool, bareMessages, comlinkCalls]
  return { id, target: 'P6', name: termsText(terms), terms, metrics: throughput, entrants }
}

/** What the pool adds to the messages themselves, when the coordinator runs the driver. */
export const remoteScenarios: readonly Scenario[] = [scenario('P6', 8), { ...scenario('P6 by 1', 1), isContext: true }]
