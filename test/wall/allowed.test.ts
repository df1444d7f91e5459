import { describe, expect, it } from 'vitest'
import { MethodNotAllowedError } from '../../src/base/errors.ts'
import { checkHandleMethod, checkMethod } from '../../src/transports/allowed.ts'

const inherited = Object.getOwnPropertyNames(Object.prototype)
const ends = ['end', 'destroy', 'release', 'close']
const noNames = [
  7,
  null,
  undefined,
  ['query'],
  { toString: null, valueOf: null },
  Symbol.iterator,
  true,
  'x'.repeat(1_000_000),
]

const isAllowed = (check: () => void): boolean => {
  try {
    check()
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(MethodNotAllowedError)
    expect((error as Error).message.length).toBeLessThan(1000)
    return false
  }
}

describe.each([
  ['that lists none', undefined],
  ['that lists them', [...inherited, ...ends, 'prototype', '_secret', '__proto__', 'constructor', 'x'.repeat(101)]],
])('a dialect %s lets nobody call', (_what, methods) => {
  it.each([...inherited, ...ends, 'prototype', '_secret', '_', '__proto__', 'constructor', 'x'.repeat(101)])(
    '%s',
    name => expect(isAllowed(() => checkMethod(name, methods))).toBe(false),
  )

  it('what is no name', () => {
    expect(noNames.filter(name => isAllowed(() => checkMethod(name, methods)))).toEqual([])
  })
})

it('of a dialect that lists methods nothing else can be called', () => {
  const methods = ['query', 'listen']
  expect(methods.every(name => isAllowed(() => checkMethod(name, methods)))).toBe(true)
  expect(isAllowed(() => checkMethod('escape', methods))).toBe(false)
  expect(isAllowed(() => checkMethod('escape', undefined))).toBe(true)
})

it('a handle can be ended, and nothing leads out of it', () => {
  expect([...ends, 'run', '@@asyncIterator'].filter(name => !isAllowed(() => checkHandleMethod(name)))).toEqual([])
  const out = [...inherited, 'prototype', '_secret', ...noNames, 'x'.repeat(101)]
  expect(out.filter(name => isAllowed(() => checkHandleMethod(name)))).toEqual([])
})
