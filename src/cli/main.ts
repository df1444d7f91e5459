import { asError } from '../base/errors.ts'
import { type Check, checksOf } from './checks.ts'
import { type DemoFacts, demoSteps, runDemo } from './demo.ts'
import { type DemoOptions, readOptions, UsageError, usage } from './options.ts'
import { Progress } from './progress.ts'
import { report } from './report.ts'

/** What a shell reports of a program that such a signal has ended. */
const signals: ReadonlyMap<NodeJS.Signals, number> = new Map([
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
])

/** The command line, from its options to its exit code. */
async function main(): Promise<number> {
  let options: DemoOptions | 'help'
  try {
    options = readOptions(process.argv.slice(2), process.env)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`fairypool: ${error.message}\n`)
    return 1
  }
  if (options !== 'help') return show(options)
  process.stdout.write(usage)
  return 0
}

async function show(options: DemoOptions): Promise<number> {
  const progress = new Progress(process.stderr, demoSteps)
  const interruption = new AbortController()
  const interrupt = (signal: NodeJS.Signals): void => {
    // A second one ends the process at once; an embedded server goes with it.
    for (const name of signals.keys()) process.off(name, interrupt)
    interruption.abort(signal)
    progress.clear()
    process.stderr.write('Interrupted; closing everything.\n')
  }
  for (const name of signals.keys()) process.on(name, interrupt)
  try {
    const facts = await runDemo(options, progress, interruption.signal)
    progress.clear()
    return conclude(facts, options)
  } catch (error) {
    progress.clear()
    if (interruption.signal.aborted) return signals.get(interruption.signal.reason) ?? 1
    return fail(error, options)
  } finally {
    for (const name of signals.keys()) process.off(name, interrupt)
  }
}

function conclude(facts: DemoFacts, { json }: DemoOptions): number {
  const checks = checksOf(facts)
  const failed: Check[] = checks.filter(({ held }) => !held)
  const ok = failed.length === 0
  process.stdout.write(json ? `${JSON.stringify({ ok, ...facts, checks }, null, 2)}\n` : report(facts, checks))
  for (const { what } of failed) process.stderr.write(`fairypool: did not hold: ${what}\n`)
  return ok ? 0 : 1
}

/** A failure is told in its own words; a fault in this program comes with its stack. */
function fail(thrown: unknown, { json }: DemoOptions): number {
  const errors = thrown instanceof AggregateError ? thrown.errors.map(asError) : [asError(thrown)]
  for (const error of errors) {
    const ours = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError
    process.stderr.write(`fairypool: ${(ours && error.stack) || storyOf(error)}\n`)
  }
  const error = errors.map(({ message }) => message).join('\n')
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error }, null, 2)}\n`)
  return 1
}

/** The message, and what led to it where the message does not say so itself. */
function storyOf({ message, name, cause }: Error): string {
  const because = cause instanceof Error && !message.includes(cause.message) ? ` (${cause.message})` : ''
  return `${message || name}${because}`
}

// A reader that has seen enough, `npm start | head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
process.exitCode = await main()
