import { describe, expect, it } from 'vitest'
import { readOptions } from '../../bench/options.ts'

const read = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => readOptions(args, ['P1', 'P2', 'P6'], env)

describe('the options of the bench', () => {
  it('are all targets, 5 rounds of 1 s and a whole warm-up when nothing is said', () => {
    expect(read([])).toEqual({
      help: false,
      only: [],
      rounds: 5,
      seconds: 1,
      warmUp: 1,
      context: false,
      json: undefined,
      databaseUrl: undefined,
    })
  })

  it('pick targets, in any case, with or without blanks', () => {
    expect(read(['--only', 'p1, P6']).only).toEqual(['P1', 'P6'])
  })

  it('allow few and short rounds only for a look', () => {
    expect(read(['--quick'])).toMatchObject({ rounds: 2, seconds: 0.2, warmUp: 0 })
    expect(read(['--quick', '--rounds', '1'])).toMatchObject({ rounds: 1, seconds: 0.2 })
  })

  it('have the database of the environment, unless another is named', () => {
    expect(read([], { DATABASE_URL: 'postgres://a' }).databaseUrl).toBe('postgres://a')
    expect(read(['--database-url', 'postgres://b'], { DATABASE_URL: 'postgres://a' }).databaseUrl).toBe('postgres://b')
  })

  const wrong: readonly (readonly [args: string[], message: RegExp])[] = [
    [['--only', 'P1,P7'], /there is no 'P7'\. There are P1, P2, P6/],
    [['--rounds', '4'], /--rounds must be a whole number, 5 or more/],
    [['--rounds', 'many'], /--rounds must be a whole number/],
    [['--quick', '--rounds', '0'], /--rounds must be a whole number, 1 or more/],
    [['--seconds', '0'], /--seconds must be a number above 0/],
    [['--seconds', 'soon'], /--seconds must be a number/],
    [['--fast'], /Unknown option '--fast'/],
  ]
  for (const [args, message] of wrong) {
    it(`that make no sense are refused: ${args.join(' ')}`, () => {
      expect(() => read(args)).toThrow(message)
    })
  }
})
