import { inspect } from 'node:util'
import { ArgumentError } from './errors.ts'

/** What an option may be: says so in its error message. */
export interface Check {
  readonly expected: string
  test(value: unknown): boolean
}

export const isBoolean: Check = { expected: 'a boolean', test: value => typeof value === 'boolean' }

export const isFunction: Check = { expected: 'a function', test: value => typeof value === 'function' }

export const isObject: Check = { expected: 'an object', test: value => typeof value === 'object' && value !== null }

/** An object that can do these things. */
export const hasMethods = (what: string, ...names: readonly string[]): Check => ({
  expected: `${what} with the methods ${names.join(', ')}`,
  test: value => isObject.test(value) && names.every(name => typeof Reflect.get(value as object, name) === 'function'),
})

export const isString: Check = {
  expected: 'a string that is not empty',
  test: value => typeof value === 'string' && value !== '',
}

export const isSignal: Check = { expected: 'an AbortSignal', test: value => value instanceof AbortSignal }

/** A number of things, at least `least`. */
export const isCount = (least: number): Check => ({
  expected: `a whole number, ${least} or more`,
  test: value => Number.isSafeInteger(value) && (value as number) >= least,
})

/** A duration in milliseconds; fractions are honoured. */
export const isDuration: Check = {
  expected: 'a number of milliseconds, 0 or more',
  test: value => typeof value === 'number' && value >= 0 && value < 2 ** 31,
}

export const orNull = (check: Check): Check => ({
  expected: `${check.expected}, or null`,
  test: value => value === null || check.test(value),
})

export const oneOf = (...values: readonly unknown[]): Check => ({
  expected: `one of ${values.map(value => inspect(value)).join(', ')}`,
  test: value => values.includes(value),
})

/** Refuses unknown keys and wrong types at once, naming the key, what was given and what would do. `undefined` counts as absent. */
export function checkOptions(what: string, given: unknown, checks: Readonly<Record<string, Check>>): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new ArgumentError(`${what} must be an object, got ${brief(given)}.`)
  }
  for (const [key, value] of Object.entries(given)) {
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined
    if (check === undefined) {
      throw new ArgumentError(`${what}: unknown option '${key}'. Known are ${Object.keys(checks).join(', ')}.`)
    }
    if (value !== undefined && !check.test(value)) {
      throw new ArgumentError(`${what}: ${key} must be ${check.expected}, got ${brief(value)}.`)
    }
  }
}

/** Scalars by value, anything else by kind only: an option may hold a password, and so may a text that is more than a word. */
function brief(value: unknown): string {
  if (typeof value === 'string' && !/^[\w.+-]{0,20}$/.test(value)) return 'a string'
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return inspect(value)
}
