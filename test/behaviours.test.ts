import { describe, expect, it } from 'vitest'
import { coverage } from './behaviours/coverage.ts'
import { behavioursOf } from './behaviours/numbers.ts'
import { reasons } from './behaviours/reasons.ts'
import { testsOf } from './behaviours/titles.ts'

describe('the table of behaviours', () => {
  const rows = coverage()
  const named = (verdict: string, hasTests: boolean): number[] =>
    rows.filter(row => row.verdict === verdict && row.tests.length > 0 === hasTests).map(row => row.number)

  it('has every number from 1 to 304, in order', () => {
    expect(rows.map(row => row.number)).toEqual(Array.from({ length: 304 }, (_, i) => i + 1))
  })

  it('has a test or a reason for each number', () => {
    expect(named('open', false)).toEqual([])
  })

  it('has a test for each deviation, and none for what is not applicable', () => {
    expect({ untested: named('proved differently', false), tested: named('not applicable', true) }).toEqual({
      untested: [],
      tested: [],
    })
  })

  it('has one sentence as the reason for a number, in the order of the numbers', () => {
    const numbers = reasons.map(({ number }) => number)
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
    for (const { number, reason } of reasons) expect(reason, `${number}`).toMatch(/^[A-Z][^\n]*[^.\n]\.$/)
  })
})

describe('a title', () => {
  it.each([
    ['counts from minus the size (24)', [24]],
    ['does both (117, 118)', [117, 118]],
    ['does all (146-148, 152)', [146, 147, 148, 152]],
    ['is never more, maxOverflow %i (37)', [37]],
    ['of … threads is theirs (126)', [126]],
    ['clears the slot (200, 203: by identity)', [200, 203]],
  ])('names the behaviours that it proves at its end: %j', (title, numbers) => {
    expect(behavioursOf(title)).toEqual(numbers)
  })

  it.each([
    'counts (1, 0, 0, 1)',
    'counts (3, 3, 0, 0) in the end',
    'is called f(24)',
    'has numbers (24) in its midst',
    'is of no behaviour (400)',
    'is of the year (2026)',
    'runs backwards (148-146)',
    'takes time (24 ms)',
    'says nothing ()',
  ])('names none by other numbers in parentheses: %j', title => {
    expect(behavioursOf(title)).toEqual([])
  })
})

describe('the tests of a file', () => {
  it('are found with their titles, however they are registered', () => {
    const source = `
      // it('in a comment (1)', () => {})
      describe('a pool (2)', () => {
        it.each([['(3)']])('of %s (4)', () => { pool.test('not a test (5)') })
        for (const n of counts) test.concurrent(\`of \${n} threads (6)\`, () => {})
      })
      it.skipIf(process.platform === 'win32').each\`a | b\`('in a table ' + '(7)', (n: number): void => {})`
    expect(testsOf(source).map(({ titles }) => titles.join(' > '))).toEqual([
      'a pool (2) > of %s (4)',
      'a pool (2) > of … threads (6)',
      'in a table (7)',
    ])
  })

  it('are none that need not pass', () => {
    const source = `
      it.skip('skipped (1)', () => {})
      it.todo('to do (2)')
      it.fails('known to fail (3)', () => {})
      describe.skip('a pool', () => { it('skipped with it (4)', () => {}) })`
    expect(testsOf(source)).toEqual([])
  })
})
