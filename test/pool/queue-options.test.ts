import { describe, expect, it } from 'vitest'
import { ArgumentError } from '../../src/base/errors.ts'
import { AssertionPool } from '../../src/pool/assertion-pool.ts'
import { NullPool } from '../../src/pool/null-pool.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import { SingletonThreadPool } from '../../src/pool/singleton-thread-pool.ts'
import { StaticPool } from '../../src/pool/static-pool.ts'
import { fakeTime } from '../support/fake-time.ts'
import { type GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'

fakeTime()

/** How options are refused. */
function refusal(options: unknown): string {
  try {
    gatedPool(options as PoolOptions<GatedConnection>)
  } catch (error) {
    expect(error).toBeInstanceOf(ArgumentError)
    return (error as Error).message
  }
  throw new Error('accepted')
}

describe('what a QueuePool does by itself', () => {
  it.each<[keyof PoolOptions, readonly unknown[]]>([
    ['maxLifetimeMs', [0, -1, '1h', Number.NaN, 2 ** 31]],
    ['idleTimeoutMs', [0, -1, true]],
    ['keepaliveMs', [0, -5, 'often']],
    ['minIdle', [-1, 0.5, null, '2']],
    ['maxWaiters', [-1, 1.5, '10', Number.POSITIVE_INFINITY]],
  ])('is refused when ill-typed or out of range: %s', (name, values) => {
    for (const value of values) expect(refusal({ [name]: value })).toMatch(`pool options: ${name} must be `)
  })

  it.each<[string, PoolOptions, RegExp]>([
    ['more ready than are kept', { poolSize: 2, minIdle: 3 }, /minIdle is 3, but a poolSize of 2/],
    [
      'an idle timeout past the lifetime',
      { maxLifetimeMs: 100, idleTimeoutMs: 100 },
      /idleTimeoutMs must be less than maxLifetimeMs \(100\)/,
    ],
    [
      'an idle timeout of what all are kept',
      { poolSize: 2, minIdle: 2, idleTimeoutMs: 100 },
      /idleTimeoutMs closes nothing/,
    ],
    [
      'a ping past the lifetime',
      { maxLifetimeMs: 100, keepaliveMs: 100 },
      /keepaliveMs must be less than maxLifetimeMs/,
    ],
    [
      'a ping past the idle timeout',
      { idleTimeoutMs: 100, keepaliveMs: 200 },
      /keepaliveMs must be less than idleTimeoutMs/,
    ],
  ])('is refused where it could never have an effect: %s', (_what, options, message) => {
    expect(refusal(options)).toMatch(message)
  })

  it('is refused without a ping, where it needs one', () => {
    const { ping: _, ...mute } = new GatedDriver().dialect()
    expect(refusal({ dialect: mute, keepaliveMs: 100 })).toMatch(/keepaliveMs needs a dialect that has a ping/)
  })

  it('may be combined as makes sense', () => {
    gatedPool({ poolSize: 5, minIdle: 2, idleTimeoutMs: 100, keepaliveMs: 200, maxLifetimeMs: 300, maxWaiters: 0 })
    gatedPool({ poolSize: 0, minIdle: 200 })
    gatedPool({ maxLifetimeMs: null, idleTimeoutMs: null, keepaliveMs: null, maxWaiters: null, minIdle: 0 })
  })

  it.each([NullPool, StaticPool, SingletonThreadPool, AssertionPool])('is refused by %o, which does not', Class => {
    const { creator } = new GatedDriver()
    for (const option of [{ maxLifetimeMs: 5 }, { idleTimeoutMs: 5 }, { minIdle: 1 }, { maxWaiters: 0 }]) {
      const [name] = Object.keys(option)
      expect(() => new Class({ creator, ...option })).toThrow(`${name} is for QueuePool: a ${Class.name}`)
      expect(() => new Class({ creator, ...option })).toThrow(ArgumentError)
    }
    new Class({ creator, minIdle: 0, maxLifetimeMs: null }).recreate()
  })
})
