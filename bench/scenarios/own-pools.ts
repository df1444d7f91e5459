import type { Scenario } from '../contender.ts'
import { ownPools } from '../rivals/own-pools.ts'
import { sharedPool } from '../rivals/shared-pool.ts'

/** One shared pool against a pool in every thread. The goal of 1.05 is the transport `direct`'s; until it is there, this is its baseline. */
export const ownPoolScenarios: readonly Scenario[] = [
  {
    target: 'P2',
    name: '4 threads × 1 task, 4 connections',
    tasks: 1,
    ratios: [
      { name: 'fairypool / own pools: baseline (remote)', of: 'fairypool (remote)', over: 'own pools', goal: null },
    ],
    open: async database => [await sharedPool(database, 4, 4), await ownPools(database, 4, 4)],
  },
]
