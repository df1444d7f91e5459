import { describe, expect, it } from 'vitest'
import { mean, quantile, spread } from '../../bench/statistics.ts'
import { Times } from '../../bench/times.ts'

describe('a quantile', () => {
  it('is a value that was measured', () => {
    const sorted = Float64Array.from({ length: 100 }, (_, index) => index + 1)
    expect([0, 0.5, 0.99, 1].map(q => quantile(sorted, q))).toEqual([1, 51, 100, 100])
  })

  it('of nothing is not a number', () => {
    expect(quantile([], 0.5)).toBeNaN()
  })
})

describe('a spread', () => {
  it('has the middle value of an odd count, whatever the order', () => {
    expect(spread([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9 })
  })

  it('has what lies between the two in the middle of an even count', () => {
    expect(spread([4, 10, 2, 1])).toEqual({ median: 3, min: 1, max: 10 })
  })

  it('compares numbers as numbers', () => {
    expect(spread([100, 20, 3]).median).toBe(20)
  })
})

it('a mean is the sum over the count', () => {
  expect(mean([1, 2, 6])).toBe(3)
})

describe('times', () => {
  it('are kept in order, also when there are more than expected', () => {
    const times = new Times(2)
    for (const value of [5, 3, 4, 1, 2]) times.add(value)
    expect(times.count).toBe(5)
    expect([...times.take()]).toEqual([5, 3, 4, 1, 2])
  })

  it('begin anew once taken, and what was taken stays as it was', () => {
    const times = new Times(2)
    times.add(1)
    const taken = times.take()
    times.add(7)
    expect([[...taken], [...times.take()], times.count]).toEqual([[1], [7], 0])
  })
})
