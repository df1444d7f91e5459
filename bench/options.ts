import { parseArgs } from 'node:util'

export interface BenchOptions {
  readonly help: boolean
  /** Targets to run; empty: all. */
  readonly only: readonly string[]
  readonly rounds: number
  readonly seconds: number
  /** Of what a scenario wants of warm-up, this part. */
  readonly warmUp: number
  /** Scenarios without a goal too. */
  readonly context: boolean
  readonly json: string | undefined
  readonly databaseUrl: string | undefined
}

/** Fewer rounds prove nothing. */
const leastRounds = 5

export const help = `npm run bench -- [options]

  --only P2,P6          these targets; default P1 to P9
  --context             comparisons that have no target as well: P2 and P3 with 1, 2, 8 and 16 threads, P4 with
                        16 threads of 1 task, P6 with 1 task, P9 in a heap of many small objects
  --rounds N            rounds of every contender, ${leastRounds} or more; default ${leastRounds}
  --seconds S           length of one contender's part of a round; default 1, of which some scenarios need less
  --quick               a look only: 2 rounds of 0.2 s, or what --rounds and --seconds say, and next to no warm-up
  --json FILE           writes the report as JSON
  --database-url URL    a PostgreSQL of yours; default DATABASE_URL, or an embedded one over its Unix socket
  --help                this text

What is measured, and against what:

  P1  connect + close in a worker; the pools that one thread can have: pg-pool, tarn, generic-pool, lightning-pool
  P2  connect, query of 1 row, close; a pg.Pool in each thread with as many connections in all, PgBouncer in transaction mode
  P3  the same with 200 rows
  P4  the same with 8 tasks in each thread, which wait for each other; besides, ten times as many connections in own pools
  P5  pool.query(), 32 tasks in each thread; the same rivals
  P6  transport 'remote'; the same three steps by hand-written messages and by Comlink calls
  P7  the coordinator's event loop, from 1 to 16 threads
  P8  a worker killed in a query: how soon the next waiter has a connection
  P9  a pool starved by leaked fairies: how soon one is reclaimed

Contenders run interleaved, one at a time, after a warm-up of up to 10 s each (25 s where eight threads share four
connections). Figures are medians (least–greatest) over the rounds; a ratio is the median of the rounds' own ratios. A contender that is not to be had here is skipped, and what it was wanted for is
reported as not measured: PgBouncer 1.18 or newer is looked for on the PATH and in /usr/sbin. By default a run takes 10 minutes.`

/** @throws {Error} an option is unknown or out of range. */
export function readOptions(args: readonly string[], known: readonly string[], env: NodeJS.ProcessEnv): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      context: { type: 'boolean', default: false },
      json: { type: 'string' },
      'database-url': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const { quick, context } = values
  const only = values.only?.split(',').map(each => each.trim().toUpperCase()) ?? []
  const stranger = only.find(each => !known.includes(each))
  if (stranger !== undefined) throw new Error(`--only: there is no '${stranger}'. There are ${known.join(', ')}.`)
  const rounds = Number(values.rounds ?? (quick ? 2 : leastRounds))
  const least = quick ? 1 : leastRounds
  if (!Number.isInteger(rounds) || rounds < least) throw new Error(`--rounds must be a whole number, ${least} or more.`)
  const seconds = Number(values.seconds ?? (quick ? 0.2 : 1))
  if (!(seconds > 0 && seconds <= 3600)) throw new Error('--seconds must be a number above 0, 3600 at most.')
  const databaseUrl = values['database-url'] ?? (env.DATABASE_URL || undefined)
  return { help: values.help, only, rounds, seconds, warmUp: quick ? 0 : 1, context, json: values.json, databaseUrl }
}
