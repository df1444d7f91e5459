import type { ClientConfig } from 'pg'
import { type Contender, type Plan, type Scenario, Unavailable } from './contender.ts'
import type { Goal } from './goals.ts'
import type { Measurement } from './metrics.ts'
import type { ReportRow } from './report.ts'
import { judge, rowsOf, type Verdicts } from './verdicts.ts'

export interface RoundOptions {
  readonly rounds: number
  readonly seconds: number
  /** Of what a scenario wants of warm-up, this part. */
  readonly warmUp: number
  /** Told what goes on. */
  readonly onProgress?: (text: string) => void
}

export interface ScenarioResult extends Verdicts {
  readonly rows: readonly ReportRow[]
  /** Who did not take part, and why. */
  readonly absent: ReadonlyMap<string, string>
}

/** Each thread of each contender compiles for itself, at a quarter of the cycles each. */
const defaultWarmUp = 10
/** Nobody's first cycle is a measure of anything. */
const leastWarmUp = 0.1

/** Runs a scenario: all contenders stand ready, one runs at a time, each round begins with another, and the machine's moods hit all alike. */
export async function runScenario(
  scenario: Scenario,
  goals: readonly Goal[],
  database: ClientConfig,
  options: RoundOptions,
): Promise<ScenarioResult> {
  const contenders = new Map<string, Contender>()
  const absent = new Map<string, string>()
  try {
    for (const { name, open } of scenario.entrants) {
      options.onProgress?.(`starting ${name}`)
      try {
        contenders.set(name, await open(database, scenario.terms))
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
        absent.set(name, error.message)
      }
    }
    const rounds = await measure(scenario, contenders, options)
    const details = new Map([...contenders].flatMap(([name, { detail }]) => (detail ? [[name, detail]] : [])))
    const measured = { rounds, absent, details }
    return { absent, rows: rowsOf(scenario, measured), ...judge(scenario, goals, measured) }
  } finally {
    for (const contender of contenders.values()) await contender.close()
  }
}

async function measure(
  { terms, ...scenario }: Scenario,
  contenders: ReadonlyMap<string, Contender>,
  { rounds, onProgress, ...options }: RoundOptions,
): Promise<Map<string, Measurement[]>> {
  const measured = new Map<string, Measurement[]>([...contenders.keys()].map(name => [name, []]))
  const seconds = options.seconds * (scenario.length ?? 1)
  const plan: Plan = { seconds, tasks: terms.tasks, rows: terms.rows }
  const warmUp = Math.max(leastWarmUp, options.warmUp * (scenario.warmUpSeconds ?? defaultWarmUp))
  const turns = Math.ceil(warmUp / seconds)
  const warmUpPlan = { ...plan, seconds: Math.min(seconds, warmUp) }
  // Interleaved too, and long: what is measured is the code once the compiler has done with it. No collection is forced between
  // rounds: V8 then throws away code that rests, and whoever has the most of it pays for all the others (measured: 2 × the time).
  for (let turn = 0; turn < turns; turn++) {
    for (const [name, contender] of contenders) {
      onProgress?.(`warm-up ${turn + 1} of ${turns}: ${name}`)
      await contender.run(warmUpPlan)
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const [name, contender] of rotated([...contenders], round)) {
      onProgress?.(`round ${round + 1} of ${rounds}: ${name}`)
      measured.get(name)!.push(await contender.run(plan))
    }
  }
  return measured
}

const rotated = <T>(all: readonly T[], by: number): T[] => all.map((_, index) => all[(index + by) % all.length]!)
