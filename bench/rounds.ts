import type { ClientConfig } from 'pg'
import type { Contender, Measurement, Plan, Scenario } from './contender.ts'
import type { ReportRatio, ReportRow } from './report.ts'
import { spread } from './statistics.ts'

export interface RoundOptions {
  readonly rounds: number
  readonly seconds: number
  /** Rounds before those that count. */
  readonly warmUp: number
  /** Told what goes on. */
  readonly onProgress?: (text: string) => void
}

export interface ScenarioResult {
  readonly rows: readonly ReportRow[]
  readonly ratios: readonly ReportRatio[]
}

const metrics = [
  { key: 'cyclesPerSecond', metric: 'cycles/s', unit: 'cycles/s' },
  { key: 'p50', metric: 'p50', unit: 'µs' },
  { key: 'p99', metric: 'p99', unit: 'µs' },
  { key: 'cpu', metric: 'cpu/cycle', unit: 'µs' },
] as const satisfies readonly { readonly key: keyof Measurement; readonly metric: string; readonly unit: string }[]

/** Runs a scenario: all contenders stand ready, one runs at a time, each round begins with another, and the machine's moods hit all alike. */
export async function runScenario(
  scenario: Scenario,
  database: ClientConfig,
  options: RoundOptions,
): Promise<ScenarioResult> {
  const contenders = await scenario.open(database)
  const plan: Plan = { seconds: options.seconds, tasks: scenario.tasks }
  const measured = new Map<string, Measurement[]>(contenders.map(({ name }) => [name, []]))
  // Interleaved too, and long: what is measured is the code once the compiler has done with it. No collection is forced between
  // rounds: V8 then throws away code that rests, and whoever has the most of it pays for all the others (measured: 2 × the time).
  for (let turn = 0; turn < options.warmUp; turn++) {
    for (const contender of contenders) {
      options.onProgress?.(`warm-up ${turn + 1} of ${options.warmUp}: ${contender.name}`)
      await contender.run(plan)
    }
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const contender of rotated(contenders, round)) {
      options.onProgress?.(`round ${round + 1} of ${options.rounds}: ${contender.name}`)
      measured.get(contender.name)!.push(await contender.run(plan))
    }
  }
  for (const contender of contenders) await contender.close()
  return { rows: rowsOf(scenario, measured), ratios: ratiosOf(scenario, measured) }
}

const rotated = (contenders: readonly Contender[], by: number): Contender[] =>
  contenders.map((_, index) => contenders[(index + by) % contenders.length]!)

function rowsOf({ target, name }: Scenario, measured: ReadonlyMap<string, readonly Measurement[]>): ReportRow[] {
  const scenario = `${target}: ${name}`
  return [...measured].flatMap(([contender, rounds]) =>
    metrics.map(({ key, metric, unit }) => {
      const { median, min, max } = spread(rounds.map(round => round[key]))
      return { scenario, contender, metric, unit, median, min, max, rounds: rounds.length }
    }),
  )
}

function ratiosOf(
  { target, name: scenario, ratios }: Scenario,
  measured: ReadonlyMap<string, readonly Measurement[]>,
): ReportRatio[] {
  return ratios.map(({ name, of, over, goal }) => {
    const rivals = measured.get(over)!
    const quotients = measured.get(of)!.map((round, index) => round.cyclesPerSecond / rivals[index]!.cyclesPerSecond)
    const { median, min, max } = spread(quotients)
    return {
      target,
      name: `${name}, ${scenario}`,
      ratio: median,
      min,
      max,
      goal,
      met: goal === null ? null : median >= goal,
    }
  })
}
