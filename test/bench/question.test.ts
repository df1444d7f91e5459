import { describe, expect, it } from 'vitest'
import { checkAnswer, question } from '../../bench/question.ts'

describe('a question', () => {
  it('carries its number', () => {
    expect(question(42, 1)).toBe('select 42 as id')
    expect(question(42, 200)).toMatch(/^select 42 as id, .* generate_series\(1, 200\)/)
  })
})

describe('an answer', () => {
  const rows = (...ids: number[]) => ({ rows: ids.map(id => ({ id })) })

  it('is right when it has as many rows as were asked for, of its own number', () => {
    expect(() => checkAnswer(7, 1, rows(7))).not.toThrow()
    expect(() => checkAnswer(7, 3, rows(7, 7, 7))).not.toThrow()
  })

  const wrong = {
    'of another question': rows(8, 8),
    'that ends as another': rows(7, 8),
    'too short': rows(7),
    empty: rows(),
  }
  for (const [how, answer] of Object.entries(wrong)) {
    it(`${how} ends the bench`, () => {
      expect(() => checkAnswer(7, 2, answer)).toThrow(/^Asked for 2 × 7 and got/)
    })
  }
})
