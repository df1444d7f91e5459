import { describe, expect, it } from 'vitest'
import { checksOf } from '../../src/cli/checks.ts'
import type { DemoFacts } from '../../src/cli/demo.ts'
import type { Homecoming } from '../../src/cli/forgotten.ts'

const score = { transactionsPerSecond: 100, p50Ms: 1, p99Ms: 2, transactions: 50 }
const fairy = (forgotten: 'end' | 'drop', reason: string): Homecoming => ({
  threadId: 1,
  forgotten,
  reason,
  heldMs: 2,
  homeAfterMs: 1,
})
const kill = {
  threadId: 1,
  reason: 'died',
  replaced: true,
  replacedMs: 5,
  sessionGone: true,
  sessionGoneMs: 5,
  rolledBack: true,
}
const good: DemoFacts = {
  options: { threads: 2, connections: 3, seconds: 1 },
  node: 'v20',
  postgres: '18',
  database: 'embedded',
  contest: {
    rounds: 5,
    roundMs: 200,
    tasksPerThread: 6,
    ratio: 1,
    shared: { ...score, serverConnections: 3 },
    own: { ...score, serverConnections: 6 },
  },
  books: { accounts: '7', tellers: '7', branches: '7', history: '7', historyRows: 100, transactionsCounted: 100 },
  forgotten: {
    homecomings: [fairy('end', 'task ended'), fairy('drop', 'collected')],
    checkedout: 0,
    warnings: [],
  },
  killed: { kills: [kill], connectMs: 2 },
  leftovers: 0,
}
const failed = (facts: DemoFacts): string[] => checksOf(facts).flatMap(({ what, held }) => (held ? [] : [what]))

describe('the checks', () => {
  it('hold when all went well', () => {
    expect(failed(good)).toEqual([])
    expect(checksOf(good)).toHaveLength(10)
  })

  it('have no opinion on who is faster', () => {
    expect(failed({ ...good, contest: { ...good.contest, ratio: 0.01 } })).toEqual([])
  })

  const { contest, books, forgotten, killed } = good
  const trouble: Readonly<Record<string, DemoFacts>> = {
    'the shared pool had 4 connections': {
      ...good,
      contest: { ...contest, shared: { ...contest.shared, serverConnections: 4 } },
    },
    'the pools of 2 threads had 0': { ...good, contest: { ...contest, own: { ...contest.own, serverConnections: 0 } } },
    'the books balance': { ...good, books: { ...books, tellers: '8' } },
    'the history has one row': { ...good, books: { ...books, historyRows: 99 } },
    '0 of 1 connections that were open when their task ended': {
      ...good,
      forgotten: { ...forgotten, homecomings: [fairy('end', 'collected'), fairy('drop', 'collected')] },
    },
    '0 of 1 connections that were lost within a task': {
      ...good,
      forgotten: { ...forgotten, homecomings: [fairy('end', 'task ended'), fairy('drop', 'task ended')] },
    },
    '1 connections were out': { ...good, forgotten: { ...forgotten, checkedout: 1 } },
    'each killed worker': { ...good, killed: { ...killed, kills: [kill, { ...kill, rolledBack: false }] } },
    'each time, the caller who waited': { ...good, killed: { ...killed, kills: [{ ...kill, replaced: false }] } },
    '2 connections were left': { ...good, leftovers: 2 },
  }
  for (const [what, facts] of Object.entries(trouble)) {
    it(`fail, one by one: ${what}`, () => {
      expect(failed(facts)).toEqual([expect.stringContaining(what)])
    })
  }
})
