import { describe, expect, it } from 'vitest'
import { type Contender, type Entrant, type Scenario, Unavailable } from '../../bench/contender.ts'
import type { Goal } from '../../bench/goals.ts'
import { runScenario } from '../../bench/rounds.ts'

/** What happened, in order; `run` with its length. */
type Diary = string[]

function entrant(name: string, diary: Diary, contender: Partial<Contender> = {}): Entrant {
  return {
    name,
    async open() {
      diary.push(`open ${name}`)
      return {
        async run({ seconds }) {
          diary.push(`${name} ${seconds}`)
          return { 'cycles/s': diary.length }
        },
        async close() {
          diary.push(`close ${name}`)
        },
        ...contender,
      }
    },
  }
}

const unavailable: Entrant = {
  name: 'absent',
  open: () => Promise.reject(new Unavailable('it is not installed')),
}

const scenarioOf = (entrants: readonly Entrant[], pace: Partial<Scenario> = {}): Scenario => ({
  id: 'P2',
  target: 'P2',
  name: 'a scenario',
  terms: { threads: 1, tasks: 1, connections: 1, rows: 1 },
  metrics: ['cycles/s'],
  entrants,
  ...pace,
})

const run = (scenario: Scenario, warmUp: number, goals: readonly Goal[] = []) =>
  runScenario(scenario, goals, {}, { rounds: 3, seconds: 2, warmUp })

describe('a scenario', () => {
  it('is run interleaved, each round beginning with another, after a warm-up that does not count', async () => {
    const diary: Diary = []
    const { rows } = await run(scenarioOf([entrant('a', diary), entrant('b', diary)], { warmUpSeconds: 3 }), 1)
    const opened = ['open a', 'open b']
    const warm = ['a 2', 'b 2', 'a 2', 'b 2']
    const measured = ['a 2', 'b 2', 'b 2', 'a 2', 'a 2', 'b 2']
    expect(diary).toEqual([...opened, ...warm, ...measured, 'close a', 'close b'])
    expect(rows.map(({ contender, rounds, min, max }) => ({ contender, rounds, min, max }))).toEqual([
      { contender: 'a', rounds: 3, min: 7, max: 11 },
      { contender: 'b', rounds: 3, min: 8, max: 12 },
    ])
  })

  it('is as long as its part of a round, and warms up shortly where nothing is wanted', async () => {
    const diary: Diary = []
    await run(scenarioOf([entrant('a', diary)], { length: 0.5 }), 0)
    expect(diary).toEqual(['open a', 'a 0.1', 'a 1', 'a 1', 'a 1', 'close a'])
  })

  it('goes on without those who cannot take part, and says why', async () => {
    const goal: Goal = { metric: 'cycles/s', of: 'a', over: 'absent', bound: null }
    const { rows, ratios, skipped, absent } = await run(scenarioOf([unavailable, entrant('a', [])]), 0, [goal])
    expect(rows.map(({ contender }) => contender)).toEqual(['a'])
    expect(ratios).toEqual([])
    expect(skipped).toEqual([{ target: 'P2', name: 'a / absent, a scenario', why: 'it is not installed' }])
    expect([...absent]).toEqual([['absent', 'it is not installed']])
  })

  it('ends at a wrong answer, with everything closed', async () => {
    const diary: Diary = []
    const wrong = entrant('b', diary, { run: () => Promise.reject(new Error('Asked for 1 and got 2.')) })
    await expect(run(scenarioOf([entrant('a', diary), wrong]), 0)).rejects.toThrow('Asked for 1 and got 2.')
    expect(diary.slice(-2)).toEqual(['close a', 'close b'])
  })

  it('ends when one fails to start, with those closed that had', async () => {
    const diary: Diary = []
    const broken: Entrant = { name: 'b', open: () => Promise.reject(new Error('no database')) }
    await expect(run(scenarioOf([entrant('a', diary), broken]), 0)).rejects.toThrow('no database')
    expect(diary).toEqual(['open a', 'close a'])
  })
})
