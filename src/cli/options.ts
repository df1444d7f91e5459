import { parseArgs } from 'node:util'

/** What `npm start -- …` was asked to do. */
export interface DemoOptions {
  readonly threads: number
  /** Of the shared pool; every own pool gets as many. */
  readonly connections: number
  /** Measured time of each contender, all rounds together. */
  readonly seconds: number
  readonly json: boolean
  /** Undefined: boot an embedded PostgreSQL. */
  readonly databaseUrl: string | undefined
}

/** A command line that makes no sense; the message is one line. */
export class UsageError extends Error {}

export const usage = `Usage: npm start -- [options]

Shows what fairypool does, on a real PostgreSQL: worker threads that share one pool against one pool in each thread (TPC-B),
books that balance, connections that tasks forget, and workers that are killed in a transaction.

  --threads N         worker threads (default 4)
  --connections N     connections of the shared pool, and of each thread's own pool in the contest (default 4)
  --seconds S         measured time of each contender (default 5)
  --json              one JSON object on stdout instead of tables
  --database-url URL  use this PostgreSQL instead of an embedded one; so does the variable DATABASE_URL.
                      The demo works in a schema of its own there, which it drops at the end.
  --help              show this

It ends with 0 if every check held, with 1 if not.
`

const mostConnections = 500

/** @throws {UsageError} something unknown, missing or out of range. */
export function readOptions(argv: readonly string[], env: NodeJS.ProcessEnv): DemoOptions | 'help' {
  const given = parse(argv)
  if (given.help) return 'help'
  const threads = count('--threads', given.threads, 4)
  const connections = count('--connections', given.connections, 4)
  if (threads * connections > mostConnections) {
    const wanted = `${threads} threads with ${connections} connections each are ${threads * connections} connections`
    throw new UsageError(`${wanted}; ${mostConnections} is the most.`)
  }
  const seconds = Number(given.seconds ?? 5)
  if (!(seconds >= 0.1 && seconds <= 3600)) {
    throw new UsageError(`--seconds must be a number from 0.1 to 3600, got '${given.seconds}'.`)
  }
  return { threads, connections, seconds, json: given.json ?? false, databaseUrl: databaseUrl(given, env) }
}

function parse(argv: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const options = { threads: text, connections: text, seconds: text, 'database-url': text, json: flag, help: flag }
  try {
    return parseArgs({ args: [...argv], options }).values
  } catch (error) {
    // The rest explains how to pass a positional argument, and there are none.
    const [what] = (error as Error).message.split(/\.\s|\n/)
    throw new UsageError(`${what?.replace(/\.$/, '')}. See --help.`)
  }
}

function count(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text)
  throw new UsageError(`${name} must be a whole number from 1 to 999, got '${text}'.`)
}

/** The value is not repeated in the message: it may hold a password. */
function databaseUrl(given: { readonly 'database-url'?: string }, env: NodeJS.ProcessEnv): string | undefined {
  const option = given['database-url']
  const url = option ?? (env.DATABASE_URL || undefined)
  if (url === undefined || (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url))) return url
  const name = option === undefined ? 'DATABASE_URL' : '--database-url'
  throw new UsageError(`${name} must look like postgres://user:password@host:port/database.`)
}
