import type { Scenario } from './contender.ts'
import type { Goal } from './goals.ts'
import { type Measurement, units } from './metrics.ts'
import type { ReportRatio, ReportRow, Skipped } from './report.ts'
import { spread } from './statistics.ts'

/** The rounds of every contender that took part; why the others did not. */
export interface Measured {
  readonly rounds: ReadonlyMap<string, readonly Measurement[]>
  readonly absent: ReadonlyMap<string, string>
  /** What is known of a contender only by starting it. */
  readonly details: ReadonlyMap<string, string>
}

export interface Verdicts {
  readonly ratios: readonly ReportRatio[]
  readonly skipped: readonly Skipped[]
}

/** Every contender's figures over all rounds. */
export function rowsOf({ target, name, metrics }: Scenario, { rounds, details }: Measured): ReportRow[] {
  const scenario = `${target}: ${name}`
  return [...rounds].flatMap(([contender, measurements]) =>
    metrics.map(metric => {
      const { median, min, max } = spread(measurements.map(each => each[metric]!))
      const detail = details.get(contender)
      const shown = detail === undefined ? contender : `${contender} (${detail})`
      const { length } = measurements
      return { scenario, contender: shown, metric, unit: units[metric], median, min, max, rounds: length }
    }),
  )
}

/** Each goal's figure, round by round: the rounds of two contenders stand side by side, and the machine's moods cancel out. */
export function judge(scenario: Scenario, goals: readonly Goal[], { rounds, absent }: Measured): Verdicts {
  const ratios: ReportRatio[] = []
  const skipped: Skipped[] = []
  for (const goal of goals) {
    const { target } = scenario
    const name = `${nameOf(goal)}, ${scenario.name}`
    const why = absent.get(goal.of) ?? absent.get(goal.over ?? goal.less ?? goal.of)
    if (why === undefined) ratios.push({ target, name, ...verdict(goal, rounds) })
    else skipped.push({ target, name, why })
  }
  return { ratios, skipped }
}

function verdict(goal: Goal, rounds: Measured['rounds']): Omit<ReportRatio, 'target' | 'name'> {
  const figures = (contender: string): readonly number[] => rounds.get(contender)!.map(round => round[goal.metric]!)
  const { median, min, max } = spread(combined(goal, figures))
  const unit = goal.over === undefined ? units[goal.metric] : '×'
  if (goal.bound === null) return { ratio: median, min, max, unit, sense: null, goal: null, met: null }
  const [sense, value] = goal.bound
  const met = sense === 'at least' ? median >= value : median <= value
  return { ratio: median, min, max, unit, sense, goal: value, met }
}

function combined({ of, over, less }: Goal, figures: (contender: string) => readonly number[]): readonly number[] {
  const own = figures(of)
  const others = figures(over ?? less ?? of)
  if (over !== undefined) return own.map((figure, round) => figure / others[round]!)
  if (less !== undefined) return own.map((figure, round) => figure - others[round]!)
  return own
}

function nameOf({ metric, of, over, less }: Goal): string {
  const what = metric === 'cycles/s' ? '' : `${metric}, `
  if (over !== undefined) return `${what}${of} / ${over}`
  return less === undefined ? `${what}${of}` : `${what}${of} − ${less}`
}
