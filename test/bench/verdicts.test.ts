import { describe, expect, it } from 'vitest'
import type { Scenario } from '../../bench/contender.ts'
import type { Goal } from '../../bench/goals.ts'
import type { Measurement } from '../../bench/metrics.ts'
import { judge, type Measured, rowsOf } from '../../bench/verdicts.ts'

const scenario: Scenario = {
  id: 'P2',
  target: 'P2',
  name: '4 threads',
  terms: { threads: 4, tasks: 1, connections: 4, rows: 1 },
  metrics: ['cycles/s', 'p99'],
  entrants: [],
}

const rounds = (...figures: readonly [speed: number, p99: number][]): Measurement[] =>
  figures.map(([speed, p99]) => ({ 'cycles/s': speed, p99 }))

const measured: Measured = {
  rounds: new Map([
    ['ours', rounds([200, 5], [90, 9], [400, 6])],
    ['theirs', rounds([100, 10], [100, 10], [100, 10])],
  ]),
  absent: new Map([['elsewhere', 'it is not installed']]),
  details: new Map([['ours', 'direct']]),
}

const speed: Goal = { metric: 'cycles/s', of: 'ours', over: 'theirs', bound: null }
const verdictOn = (goal: Goal) => judge(scenario, [goal], measured).ratios[0]

describe('a verdict', () => {
  it('is on the median of the ratios of rounds, not on a ratio of medians', () => {
    const turned: Measured = {
      ...measured,
      rounds: new Map([
        ['ours', rounds([100, 1], [200, 1], [300, 1])],
        ['theirs', rounds([100, 1], [50, 1], [600, 1])],
      ]),
    }
    expect(judge(scenario, [speed], turned).ratios[0]).toMatchObject({ ratio: 1, min: 0.5, max: 4 })
  })

  it('says what was compared, and where', () => {
    expect(verdictOn({ ...speed, bound: ['at least', 1.5] })).toEqual({
      target: 'P2',
      name: 'ours / theirs, 4 threads',
      ratio: 2,
      min: 0.9,
      max: 4,
      unit: '×',
      sense: 'at least',
      goal: 1.5,
      met: true,
    })
  })

  const bounds: readonly (readonly [bound: NonNullable<Goal['bound']>, met: boolean])[] = [
    [['at least', 2], true],
    [['at least', 2.01], false],
    [['at most', 2], true],
    [['at most', 1.99], false],
  ]
  for (const [bound, met] of bounds) {
    it(`on 2 where ${bound[0]} ${bound[1]} is wanted is: ${met ? 'met' : 'missed'}`, () => {
      expect(verdictOn({ ...speed, bound })?.met).toBe(met)
    })
  }

  it('is none where there is no bound', () => {
    expect(verdictOn(speed)).toMatchObject({ ratio: 2, sense: null, goal: null, met: null })
  })

  it('can be on a figure by itself, in its own unit', () => {
    const goal: Goal = { metric: 'p99', of: 'ours', bound: ['at most', 6] }
    expect(verdictOn(goal)).toMatchObject({ name: 'p99, ours, 4 threads', ratio: 6, unit: 'µs', met: true })
  })

  it('can be on a difference', () => {
    const goal: Goal = { metric: 'p99', of: 'ours', less: 'theirs', bound: ['at most', -5] }
    expect(verdictOn(goal)).toMatchObject({ name: 'p99, ours − theirs, 4 threads', ratio: -4, unit: 'µs', met: false })
  })

  for (const goal of [
    { ...speed, over: 'elsewhere' },
    { ...speed, of: 'elsewhere' },
  ]) {
    it(`is not pronounced where one did not take part: ${goal.of} / ${goal.over}`, () => {
      expect(judge(scenario, [goal], measured)).toEqual({
        ratios: [],
        skipped: [{ target: 'P2', name: `${goal.of} / ${goal.over}, 4 threads`, why: 'it is not installed' }],
      })
    })
  }
})

it('rows are all metrics of all who took part, with what is known of them', () => {
  const of = { scenario: 'P2: 4 threads', rounds: 3 }
  expect(rowsOf(scenario, measured)).toEqual([
    { ...of, contender: 'ours (direct)', metric: 'cycles/s', unit: 'cycles/s', median: 200, min: 90, max: 400 },
    { ...of, contender: 'ours (direct)', metric: 'p99', unit: 'µs', median: 6, min: 5, max: 9 },
    { ...of, contender: 'theirs', metric: 'cycles/s', unit: 'cycles/s', median: 100, min: 100, max: 100 },
    { ...of, contender: 'theirs', metric: 'p99', unit: 'µs', median: 10, min: 10, max: 10 },
  ])
})
