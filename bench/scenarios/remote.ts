import type { Scenario } from '../contender.ts'
import { bareMessages } from '../rivals/bare-messages.ts'
import { comlinkCalls } from '../rivals/comlink-calls.ts'
import { sharedPool } from '../rivals/shared-pool.ts'

const threads = 4
const connections = 4

const ratio = (over: string, goal: number | null) => ({
  name: `fairypool / ${over}`,
  of: 'fairypool (remote)',
  over,
  goal,
})

function scenario(
  name: string,
  tasks: number,
  goals: { readonly bare: number | null; readonly comlink: number | null },
): Scenario {
  return {
    target: 'P6',
    name,
    tasks,
    ratios: [ratio('bare messages', goals.bare), ratio('Comlink calls', goals.comlink)],
    open: async database => [
      await sharedPool(database, threads, connections),
      await bareMessages(database, threads, connections),
      await comlinkCalls(database, threads, connections),
    ],
  }
}

/** What the pool adds to the messages themselves, when the coordinator runs the driver. */
export const remoteScenarios: readonly Scenario[] = [
  scenario('4 threads × 8 tasks, 4 connections', 8, { bare: 1, comlink: 2 }),
  scenario('4 threads × 1 task, 4 connections', 1, { bare: null, comlink: null }),
]
