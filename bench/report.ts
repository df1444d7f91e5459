import type { Machine, Versions } from './machine.ts'
import type { Metric, Unit } from './metrics.ts'

/** One metric of one contender over all rounds. */
export interface ReportRow {
  readonly scenario: string
  readonly contender: string
  readonly metric: Metric
  readonly unit: Unit
  readonly median: number
  readonly min: number
  readonly max: number
  readonly rounds: number
}

/**
 * The median of the rounds' own ratios; where `unit` is not ×, of a figure that has a goal by itself. `sense`, `goal` and `met` are
 * null where it is context only.
 */
export interface ReportRatio {
  readonly target: string
  readonly name: string
  readonly ratio: number
  readonly min: number
  readonly max: number
  readonly unit: Unit
  readonly sense: 'at least' | 'at most' | null
  readonly goal: number | null
  readonly met: boolean | null
}

/** A ratio that could not be measured here and now. */
export interface Skipped {
  readonly target: string
  readonly name: string
  readonly why: string
}

/** What `--json` writes. */
export interface Report {
  readonly machine: Machine
  readonly versions: Versions
  readonly rows: readonly ReportRow[]
  readonly ratios: readonly ReportRatio[]
  readonly skipped: readonly Skipped[]
}

/** One scenario's figures, a line for each contender; and who did not take part, and why. */
export function table(rows: readonly ReportRow[], absent: ReadonlyMap<string, string>): string {
  const contenders = [...new Set(rows.map(row => row.contender))]
  const metrics = rows.filter(row => row.contender === contenders[0])
  const head = ['', ...metrics.map(({ metric, unit }) => (unit === metric ? unit : `${metric} ${unit}`))]
  const lines = contenders.map(contender => [
    contender,
    ...rows
      .filter(row => row.contender === contender)
      .map(row => `${brief(row.median)} (${brief(row.min)}–${brief(row.max)})`),
  ])
  const notices = [...absent].map(([contender, why]) => `  ${contender} skipped: ${why}`)
  return [...(lines.length > 0 ? [aligned([head, ...lines])] : []), ...notices].join('\n')
}

/** Ratios with what they should be, and those that there are none of. */
export function verdicts(ratios: readonly ReportRatio[], skipped: readonly Skipped[]): string {
  return aligned([
    ...ratios.map(({ target, name, ratio, min, max, unit, sense, goal, met }) => [
      `${target} ${name}`,
      `${ratio.toFixed(2)} ${unit} (${min.toFixed(2)}–${max.toFixed(2)})`,
      goal === null ? '' : `${sense} ${goal.toFixed(2)}: ${met ? 'met' : 'NOT MET'}`,
    ]),
    ...skipped.map(({ target, name, why }) => [`${target} ${name}`, 'not measured', why]),
  ])
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map(line => line[column]!.length))) ?? []
  return lines
    .map(line => `  ${line.map((cell, column) => cell.padEnd(widths[column]!)).join('   ')}`.trimEnd())
    .join('\n')
}

const brief = (value: number): string =>
  value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 })
