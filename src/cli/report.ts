import { availableParallelism } from 'node:os'
import type { Check } from './checks.ts'
import type { Contest } from './contest.ts'
import type { DemoFacts } from './demo.ts'
import type { ForgottenFairies } from './forgotten.ts'
import type { KilledWorkers } from './killed.ts'
import { median } from './statistics.ts'
import { table } from './table.ts'

const grouped = (n: number): string => Math.round(n).toLocaleString('en-US')
const ms = (n: number): string => n.toFixed(n < 10 ? 2 : 1)
const some = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
const times = (n: number): string => `${n.toFixed(2)} ×`

/** What the demo has seen, for a person at a terminal. */
export function report(facts: DemoFacts, checks: readonly Check[]): string {
  const { options, contest, forgotten, killed } = facts
  const { threads, connections } = options
  const server = `PostgreSQL ${facts.postgres}${facts.database === 'embedded' ? ' (embedded)' : ''}`
  const lines = [
    `fairypool: ${some(threads, 'thread')}, ${some(connections, 'connection')}; ${server}, Node ${facts.node}, ${availableParallelism()} cores`,
    '',
    ...contestLines(contest, options),
    '',
    ...bookLines(facts),
    '',
    ...forgottenLines(forgotten),
    '',
    ...killedLines(killed),
    '',
    ...checks.map(({ what, held }) => `${held ? '✓' : '✗'} ${what}`),
  ]
  return `${lines.join('\n')}\n`
}

function contestLines(contest: Contest, { threads, connections }: DemoFacts['options']): string[] {
  const { shared, own, ratio, tasksPerThread, rounds, roundMs } = contest
  const row = (name: string, score: Contest['shared']): string[] => [
    name,
    grouped(score.transactionsPerSecond),
    ms(score.p50Ms),
    ms(score.p99Ms),
    String(score.serverConnections),
  ]
  const setting = `${some(threads, 'thread')} × ${tasksPerThread} tasks; medians of ${rounds} rounds of ${roundMs / 1000} s, in turns`
  const percent = Math.abs((ratio - 1) * 100).toFixed(0)
  const verdict = percent === '0' ? 'as fast' : `${percent} % ${ratio > 1 ? 'faster' : 'slower'}`
  return [
    `TPC-B, scale 1 (100,000 accounts, 10 tellers, 1 branch that every transaction updates); ${setting}`,
    ...table('lrrrr', [
      ['', 'transactions/s', 'p50 ms', 'p99 ms', 'server connections'],
      row(`one fairypool of ${connections}`, shared),
      row(`a pg.Pool of ${connections} in each thread`, own),
      [
        'fairypool / own pools',
        times(ratio),
        times(shared.p50Ms / own.p50Ms),
        times(shared.p99Ms / own.p99Ms),
        times(shared.serverConnections / own.serverConnections),
      ],
    ]),
    `  With ${some(shared.serverConnections, 'connection')} instead of ${own.serverConnections}, the shared pool was ${verdict}.`,
  ]
}

function bookLines({ books }: DemoFacts): string[] {
  return [
    'The books, after all that follows too',
    ...table('lrrrr', [
      ['', 'accounts', 'tellers', 'branches', 'history'],
      ['sum of deltas', books.accounts, books.tellers, books.branches, books.history],
    ]),
    `  ${grouped(books.historyRows)} rows of history; ${grouped(books.transactionsCounted)} transactions counted by the workers`,
  ]
}

function forgottenLines({ homecomings, warnings }: ForgottenFairies): string[] {
  const rows = homecomings.map(({ threadId, forgotten, reason, heldMs, homeAfterMs }, index) => [
    String(index + 1),
    String(threadId),
    forgotten === 'end' ? 'open as its task ended' : 'lost in a task that goes on',
    reason ?? 'not come home',
    heldMs === undefined ? '-' : ms(heldMs),
    homeAfterMs === undefined ? '-' : ms(homeAfterMs),
  ])
  return [
    `${homecomings.length} connections forgotten by tasks, each in an open transaction`,
    ...table('rrllrr', [['', 'thread', 'forgotten', 'came home by', 'held ms', 'home after ms'], ...rows]),
    ...warnings.map(warning => `  Node's warning: ${warning}`),
  ]
}

function killedLines({ kills, connectMs }: KilledWorkers): string[] {
  const rows = kills.map(({ threadId, sessionGone, sessionGoneMs, rolledBack, replaced, replacedMs }) => [
    String(threadId),
    sessionGone ? ms(sessionGoneMs) : 'never',
    rolledBack ? 'yes' : 'no',
    replaced ? ms(replacedMs) : 'never',
  ])
  const replacedMs = median(kills.map(kill => kill.replacedMs))
  return [
    `${kills.length} workers killed in a transaction that ran a query, while a caller waited for the connection`,
    ...table('rrlr', [['thread', 'session gone after ms', 'change rolled back', 'waiter served after ms'], ...rows]),
    `  Median: ${ms(replacedMs)} ms until the waiter had a new connection; one connect to this server takes ${ms(connectMs)} ms.`,
  ]
}
