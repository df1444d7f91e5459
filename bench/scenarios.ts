import type { Scenario } from './contender.ts'
import { queryScenarios } from './scenarios/queries.ts'
import { remoteScenarios } from './scenarios/remote.ts'

/** All that the bench can measure, in the order of the targets. */
export const scenarios: readonly Scenario[] = [...queryScenarios, ...remoteScenarios]

export const targets: readonly string[] = [...new Set(scenarios.map(({ target }) => target))]
