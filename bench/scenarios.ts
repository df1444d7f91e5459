import type { Scenario } from './contender.ts'
import { coordinatorScenarios } from './scenarios/coordinator.ts'
import { idleScenarios } from './scenarios/idle.ts'
import { killedScenarios } from './scenarios/killed.ts'
import { leakedScenarios } from './scenarios/leaked.ts'
import { oneShotScenarios } from './scenarios/one-shot.ts'
import { queryScenarios } from './scenarios/queries.ts'
import { remoteScenarios } from './scenarios/remote.ts'

/** All that the bench can measure, in the order of the targets. */
export const scenarios: readonly Scenario[] = [
  ...idleScenarios,
  ...queryScenarios,
  ...oneShotScenarios,
  ...remoteScenarios,
  ...coordinatorScenarios,
  ...killedScenarios,
  ...leakedScenarios,
]

export const targets: readonly string[] = [...new Set(scenarios.map(({ target }) => target))]
