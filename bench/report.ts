import type { Machine, Versions } from './machine.ts'

/** One metric of one contender over all rounds. */
export interface ReportRow {
  readonly scenario: string
  readonly contender: string
  readonly metric: string
  readonly unit: string
  readonly median: number
  readonly min: number
  readonly max: number
  readonly rounds: number
}

/** The median of the rounds' own ratios. `goal` and `met` are null where the ratio is context only. */
export interface ReportRatio {
  readonly target: string
  readonly name: string
  readonly ratio: number
  readonly min: number
  readonly max: number
  readonly goal: number | null
  readonly met: boolean | null
}

/** What `--json` writes. */
export interface Report {
  readonly machine: Machine
  readonly versions: Versions
  readonly rows: readonly ReportRow[]
  readonly ratios: readonly ReportRatio[]
}

/** One scenario's figures, a line for each contender. */
export function table(rows: readonly ReportRow[]): string {
  const contenders = [...new Set(rows.map(row => row.contender))]
  const metrics = rows.filter(row => row.contender === contenders[0])
  const lines = contenders.map(contender => [
    contender,
    ...rows
      .filter(row => row.contender === contender)
      .map(row => `${brief(row.median)} (${brief(row.min)}–${brief(row.max)})`),
  ])
  return aligned([['', ...metrics.map(({ metric, unit }) => (unit === metric ? unit : `${metric} ${unit}`))], ...lines])
}

/** Ratios with what they should be. */
export function verdicts(ratios: readonly ReportRatio[]): string {
  return aligned(
    ratios.map(({ target, name, ratio, min, max, goal, met }) => [
      `${target} ${name}`,
      `${ratio.toFixed(2)} × (${min.toFixed(2)}–${max.toFixed(2)})`,
      goal === null ? '' : `goal ${goal.toFixed(2)}: ${met ? 'met' : 'NOT MET'}`,
    ]),
  )
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map(line => line[column]!.length))) ?? []
  return lines
    .map(line => `  ${line.map((cell, column) => cell.padEnd(widths[column]!)).join('   ')}`.trimEnd())
    .join('\n')
}

const brief = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 })
