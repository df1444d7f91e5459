import { describe, expect, it } from 'vitest'
import {
  checkOptions,
  hasMethods,
  isBoolean,
  isCount,
  isDuration,
  isFunction,
  isObject,
  isSignal,
  isString,
  oneOf,
  orNull,
} from '../../src/base/checks.ts'
import { ArgumentError } from '../../src/base/errors.ts'

const checks = { size: isCount(0), timeoutMs: orNull(isDuration), mode: oneOf('a', false), log: isBoolean }

describe('checked options', () => {
  it('may be absent or undefined', () => {
    expect(() => checkOptions('options', {}, checks)).not.toThrow()
    expect(() => checkOptions('options', { size: undefined }, checks)).not.toThrow()
  })

  it('are refused when unknown, with the names of those that are known', () => {
    const check = (): void => checkOptions('pool options', { sise: 1 }, checks)
    expect(check).toThrow(ArgumentError)
    expect(check).toThrow("pool options: unknown option 'sise'. Known are size, timeoutMs, mode, log.")
  })

  it.each(['constructor', 'toString', '__proto__'])(
    'are unknown also when named as what every object has: %s',
    name => {
      const given = Object.defineProperty({}, name, { value: 1, enumerable: true })
      expect(() => checkOptions('options', given, checks)).toThrow(`unknown option '${name}'`)
    },
  )

  it('are refused when of the wrong type, saying what is expected and what was given', () => {
    const check = (): void => checkOptions('pool options', { timeoutMs: '30s' }, checks)
    expect(check).toThrow(ArgumentError)
    expect(check).toThrow("pool options: timeoutMs must be a number of milliseconds, 0 or more, or null, got '30s'.")
  })

  it.each([[null], [undefined], [5], ['text'], [[]], [() => {}]])('are refused when they are no object: %s', given => {
    expect(() => checkOptions('pool options', given, checks)).toThrow(/^pool options must be an object, got /)
  })

  it('do not show what an object holds: it may be a password', () => {
    const given = { size: { password: 'hunter2' }, log: ['hunter2'] }
    expect(() => checkOptions('options', given, checks)).toThrow(
      'size must be a whole number, 0 or more, got an object.',
    )
    expect(() => checkOptions('options', { log: ['hunter2'] }, checks)).toThrow('log must be a boolean, got an array.')
  })
})

describe('a check', () => {
  it.each([
    ['isBoolean', isBoolean, [true, false], [0, 'true', null]],
    ['isFunction', isFunction, [() => {}, class {}], [{}, 'f']],
    ['isObject', isObject, [{}, []], [null, 'x', () => {}]],
    [
      'hasMethods',
      hasMethods('a thing', 'go'),
      [{ go() {} }, Object.create({ go() {} })],
      [{}, { go: 1 }, null, () => {}],
    ],
    ['isString', isString, ['x'], ['', 5, null]],
    ['isSignal', isSignal, [new AbortController().signal], [{}, new AbortController()]],
    ['isCount(1)', isCount(1), [1, 2 ** 31], [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', 2 ** 53]],
    [
      'isDuration',
      isDuration,
      [0, 0.5, 30_000, 2 ** 31 - 1],
      [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5', null],
    ],
    ['orNull', orNull(isBoolean), [null, true], [undefined, 0]],
    ['oneOf', oneOf('a', false), ['a', false], ['b', true, null]],
  ])('%s takes what it names and nothing else', (_name, check, good, bad) => {
    expect(good.filter(value => !check.test(value))).toEqual([])
    expect(bad.filter(value => check.test(value))).toEqual([])
  })
})
