import { describe, expect, it } from 'vitest'
import { goals } from '../../bench/goals.ts'
import { scenarios, targets } from '../../bench/scenarios.ts'

describe('the goals', () => {
  it('are of P1 to P9, each with a bound in a scenario that always runs', () => {
    expect(targets).toEqual(['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P7', 'P8', 'P9'])
    for (const target of targets) {
      const always = scenarios.filter(scenario => scenario.target === target && !scenario.isContext)
      const bounds = always.flatMap(({ id }) => goals[id]!).filter(({ bound }) => bound !== null)
      expect(bounds.length, target).toBeGreaterThan(0)
    }
  })

  it('all belong to a scenario, and all scenarios have some', () => {
    expect(new Set(scenarios.map(({ id }) => id))).toEqual(new Set(Object.keys(goals)))
  })

  for (const { id, target, name, metrics, entrants, isContext } of scenarios) {
    it(`of ${target}, ${name}, name who takes part and what is measured`, () => {
      const names = entrants.map(entrant => entrant.name)
      expect(new Set(names).size).toBe(names.length)
      for (const { of, over = of, less = of, metric, bound } of goals[id]!) {
        expect(names).toEqual(expect.arrayContaining([of, over, less]))
        expect(metrics).toContain(metric)
        if (isContext) expect(bound).toBe(null)
      }
    })
  }
})
