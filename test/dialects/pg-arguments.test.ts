import { describe, expect, it } from 'vitest'
import { ArgumentError } from '../../src/base/errors.ts'
import { pgArguments } from '../../src/dialects/pg-arguments.ts'
import { weigh } from '../../src/transports/remote-callee.ts'

const text = 'select 1'
const textless = { toString: null, valueOf: null }
const admit = (method: string, ...args: readonly unknown[]): readonly unknown[] => pgArguments(method, args, weigh)
const isAdmitted = (method: string, ...args: readonly unknown[]): boolean => {
  try {
    admit(method, ...args)
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(ArgumentError)
    return false
  }
}

/** Written out it has no end, or very many. */
const ring: unknown[] = []
ring.push(ring)
const endless = [[ring], [Array(5000).fill(Array(5000).fill(1))]]

describe('the configuration of a query', () => {
  it.each<[part: string, right: readonly unknown[], wrong: readonly unknown[]]>([
    ['text', [text, ''], [7, true, [text], textless, 'select\0 1', new Date()]],
    ['name', ['n'], [7, {}, ['n'], 'a\0select 2\0']],
    ['values', [[], [1, null]], ['x', 7, {}, { length: 1 }, new Set(), ...endless]],
    ['rowMode', ['array'], ['object', 7, {}, ['array']]],
    ['queryMode', ['extended'], ['simple', 7, {}]],
    ['binary', [true, false], ['yes', 1, {}]],
    ['rows', [0, 5, 2 ** 31 - 1], [-1, 1.5, 2 ** 31, Number.NaN, 'all', '5', {}]],
    ['query_timeout', [0, 5], [-1, 2 ** 31, Number.POSITIVE_INFINITY, 'soon', {}]],
    ['types', [], [{}, { getTypeParser: 1 }, 7, null]],
  ])('is refused for its %s', (part, right, wrong) => {
    for (const value of right) expect(admit('query', { text, [part]: value })[0]).toMatchObject({ [part]: value })
    expect(wrong.filter(value => isAdmitted('query', { text, [part]: value }))).toEqual([])
    // What is not there is no fault.
    expect(isAdmitted('query', { text, name: 'n', [part]: undefined })).toBe(true)
  })

  it('reaches the driver as data, made anew: nothing else of it, and nothing that it inherits', () => {
    const query = { text, portal: 7, submit: 7, callback: 7, connection: 7, handleError: 7, constructor: 7 }
    const [config] = admit('query', query)
    expect(config).toEqual({ text })
    expect(config).not.toBe(query)
    expect(isAdmitted('query', Object.create({ text }))).toBe(false)
    expect(admit('query', Object.assign(Object.create({ types: 7 }), { text }))[0]).toEqual({ text })
    expect(admit('query', { text, name: null })[0]).toEqual({ text })
  })

  it('has a text or a name', () => {
    expect([isAdmitted('query', { name: 'n' }), isAdmitted('query', { text }), isAdmitted('query', {})]).toEqual([
      true,
      true,
      false,
    ])
    expect(isAdmitted('query', { values: [1] })).toBe(false)
  })

  it('is for query() only', () => {
    expect(isAdmitted('cursor', { text })).toBe(false)
    expect(isAdmitted('anything', { text })).toBe(false)
  })
})

describe.each(['query', 'cursor'])('the arguments of %s', method => {
  it('are refused where the first is no text', () => {
    const wrong = [7, null, undefined, true, [text], new Map(), 'select\0 1', textless]
    expect(wrong.filter(value => isAdmitted(method, value))).toEqual([])
  })

  it('are refused where the second is no list of values, or is endless', () => {
    const wrong = ['x', 7, {}, { length: 1 }, new Set(), ...endless]
    expect(wrong.filter(value => isAdmitted(method, text, value))).toEqual([])
    expect([undefined, null, [], [[1], 'x']].filter(value => !isAdmitted(method, text, value))).toEqual([])
  })

  it('are as they were where they are right', () => {
    expect(admit(method, text, [1])).toEqual([text, [1]])
  })
})

it('a callback is refused: query() takes two arguments, cursor() three', () => {
  expect([isAdmitted('query', text, [], 7), isAdmitted('query', { text }, [], 7)]).toEqual([false, false])
  expect([isAdmitted('query', text, [], undefined), isAdmitted('cursor', text, [], { batchSize: 1 })]).toEqual([
    true,
    true,
  ])
  // Behind a gap of its own making as well.
  expect(isAdmitted('query', text, [], undefined, 7)).toBe(false)
  expect(isAdmitted('cursor', text, [], { batchSize: 1 }, 7)).toBe(false)
})
