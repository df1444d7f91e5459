import { writeFile } from 'node:fs/promises'
import { openDatabase } from './database.ts'
import { machine, versions } from './machine.ts'
import { type BenchOptions, help, readOptions } from './options.ts'
import { type Report, type ReportRatio, type ReportRow, table, verdicts } from './report.ts'
import { runScenario } from './rounds.ts'
import { ownPoolScenarios } from './scenarios/own-pools.ts'
import { remoteScenarios } from './scenarios/remote.ts'

const scenarios = [...ownPoolScenarios, ...remoteScenarios]
const targets = [...new Set(scenarios.map(({ target }) => target))]

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

const named = (versions: object): string =>
  Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')

async function run({ only, rounds, seconds, warmUp, databaseUrl }: BenchOptions): Promise<Report> {
  const database = await openDatabase(databaseUrl)
  try {
    const head = { machine: machine(), versions: await versions(database.config) }
    const { processor, cores, system } = head.machine
    console.log(`${processor}, ${cores} cores, ${system}`)
    console.log(named(head.versions))
    console.log(`${rounds} rounds of ${seconds} s; median (least–greatest)\n`)
    const rows: ReportRow[] = []
    const ratios: ReportRatio[] = []
    for (const scenario of scenarios) {
      if (only.length > 0 && !only.includes(scenario.target)) continue
      const result = await runScenario(scenario, database.config, { rounds, seconds, warmUp, onProgress: progress })
      progress('')
      console.log(`${scenario.target}: ${scenario.name}\n${table(result.rows)}\n`)
      rows.push(...result.rows)
      ratios.push(...result.ratios)
    }
    console.log(verdicts(ratios))
    return { ...head, rows, ratios }
  } finally {
    await database.close()
  }
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
