import { type Books, readBooks } from './books.ts'
import { type Contest, contestSteps, runContest } from './contest.ts'
import { Database } from './database.ts'
import { type ForgottenFairies, forgetFairies, forgottenSteps } from './forgotten.ts'
import { type KilledWorkers, killedSteps, killWorkers } from './killed.ts'
import type { DemoOptions } from './options.ts'
import type { Progress } from './progress.ts'
import { load, loadSteps } from './tpcb.ts'

/** All that the demo has seen. */
export interface DemoFacts {
  readonly options: Omit<DemoOptions, 'databaseUrl' | 'json'>
  readonly node: string
  readonly postgres: string
  readonly database: Database['kind']
  readonly contest: Contest
  readonly books: Books
  readonly forgotten: ForgottenFairies
  readonly killed: KilledWorkers
  /** Connections of the demo that the server still saw when all was closed. */
  readonly leftovers: number
}

export const demoSteps = 1 + loadSteps + contestSteps + forgottenSteps + killedSteps + 1

/** The whole story. Whatever happens, an abort included, everything is closed and removed when it settles. */
export function runDemo(options: DemoOptions, progress: Progress, signal: AbortSignal): Promise<DemoFacts> {
  const { threads, connections, databaseUrl } = options
  progress.step(databaseUrl === undefined ? 'Starting PostgreSQL' : 'Connecting to PostgreSQL')
  const inContest = (threads + 1) * connections
  return Database.use(databaseUrl, inContest + 1, database => tell(database, options, progress, signal))
}

async function tell(
  database: Database,
  options: DemoOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<DemoFacts> {
  const { control, schema } = database
  signal.throwIfAborted()
  await load(control, schema, () => {
    signal.throwIfAborted()
    progress.step('Loading 100,000 accounts')
  })
  const contest = await runContest(database, options, progress, signal)
  const forgotten = await forgetFairies(database, options, progress, signal)
  const killed = await killWorkers(database, options, progress, signal)
  progress.step('Checking the books')
  // Last: what forgetful and killed tasks had changed must not show either.
  const books = await readBooks(control, schema, contest.shared.transactions + contest.own.transactions)
  const leftovers = await database.leftovers()
  signal.throwIfAborted()
  return {
    options: { threads: options.threads, connections: options.connections, seconds: options.seconds },
    node: process.version,
    postgres: database.version,
    database: database.kind,
    contest,
    books,
    forgotten,
    killed,
    leftovers,
  }
}
