import { writeFile } from 'node:fs/promises'
import type { ClientConfig } from 'pg'
import { openDatabase } from './database.ts'
import { goals } from './goals.ts'
import { machine, versions } from './machine.ts'
import { type BenchOptions, help, readOptions } from './options.ts'
import { type Report, type ReportRatio, type ReportRow, type Skipped, table, verdicts } from './report.ts'
import { runScenario } from './rounds.ts'
import { scenarios, targets } from './scenarios.ts'

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

const named = (versions: object): string =>
  Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')

async function run({ databaseUrl, ...options }: BenchOptions): Promise<Report> {
  const database = await openDatabase(databaseUrl)
  try {
    const head = { machine: machine(), versions: await versions(database.config) }
    const { processor, cores, system } = head.machine
    console.log(`${processor}, ${cores} cores, ${system}`)
    console.log(named(head.versions))
    console.log(`${options.rounds} rounds of ${options.seconds} s; median (least–greatest)\n`)
    return { ...head, ...(await runAll(database.config, options)) }
  } finally {
    await database.close()
  }
}

async function runAll(
  database: ClientConfig,
  { only, context, ...pace }: Omit<BenchOptions, 'databaseUrl'>,
): Promise<Pick<Report, 'rows' | 'ratios' | 'skipped'>> {
  const rows: ReportRow[] = []
  const ratios: ReportRatio[] = []
  const skipped: Skipped[] = []
  for (const scenario of scenarios) {
    if (only.length > 0 && !only.includes(scenario.target)) continue
    if (scenario.isContext && !context) continue
    const result = await runScenario(scenario, goals[scenario.id] ?? [], database, { ...pace, onProgress: progress })
    progress('')
    console.log(`${scenario.target}: ${scenario.name}\n${table(result.rows, result.absent)}\n`)
    rows.push(...result.rows)
    ratios.push(...result.ratios)
    skipped.push(...result.skipped)
  }
  console.log(verdicts(ratios, skipped))
  return { rows, ratios, skipped }
}

function usage(): BenchOptions | undefined {
  try {
    const options = readOptions(process.argv.slice(2), targets, process.env)
    if (!options.help) return options
    console.log(help)
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`)
    process.exitCode = 1
  }
  return undefined
}

const options = usage()
if (options) {
  const report = await run(options)
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`)
}
