import { type Coverage, coverage, type Verdict } from './coverage.ts'

/**
 * The table of behaviours: `npm run coverage:behaviours`; with `--open`, only those that have neither a test nor a reason.
 * Ends with 1 if there is one.
 */
const rows = coverage()
const shown = process.argv.includes('--open') ? rows.filter(row => row.verdict === 'open') : rows

let section = ''
for (const row of shown) {
  if (row.section !== section) console.log(`\n${row.section}`)
  section = row.section
  for (const line of linesOf(row)) console.log(line)
}

const count = (verdict: Verdict): number => rows.filter(row => row.verdict === verdict).length
console.log(
  `\n${rows.length} behaviours: ${count('proved')} proved, ${count('proved differently')} proved differently,` +
    ` ${count('not applicable')} not applicable, ${count('open')} open;` +
    ` ${rows.filter(row => row.isSeenFromWorker).length} are seen from a worker too.`,
)
process.exitCode = count('open') === 0 ? 0 : 1

function linesOf({ number, title, verdict, reason, tests, isSeenFromWorker }: Coverage): readonly string[] {
  const places = isSeenFromWorker ? ', from a worker too' : ''
  const head = `${String(number).padStart(5)}  ${title.padEnd(62)} ${verdict}${places}`
  return [head, ...(reason === undefined ? [] : [`         ${reason}`]), ...tests.map(test => `         ${test}`)]
}
