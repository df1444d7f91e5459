import { describe, expect, it } from 'vitest'
import { ArgumentError, InvalidRequestError } from '../../src/base/errors.ts'
import { createPool } from '../../src/coordinator/create-pool.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import { GatedDriver } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'

const { creator } = new GatedDriver()

/** How a pool of these options is refused; they may be of any shape. */
function refusal(options: unknown): Error {
  try {
    createPool(options as PoolOptions)
  } catch (error) {
    expect(error).toBeInstanceOf(ArgumentError)
    return error as Error
  }
  throw new Error('accepted')
}

describe("a pool's options", () => {
  it.each([[undefined], [null], [5], ['postgres://host/db'], [[]]])('are an object, not %s', options => {
    expect(refusal(options).message).toMatch(/^pool options must be an object, got /)
  })

  it('need somebody who opens connections', () => {
    expect(refusal({}).message).toMatch(/give a dialect.*or a creator/)
    const { connect: _, ...mute } = new GatedDriver().dialect()
    expect(refusal({ dialect: mute }).message).toMatch(
      /the dialect 'gated' can't open connections, so a creator is needed/,
    )
    expect(() => createPool({ dialect: mute, creator })).not.toThrow()
  })

  it('are refused when unknown, with the names of those that are known', () => {
    expect(refusal({ creator, pool_size: 5 }).message).toMatch(/unknown option 'pool_size'. Known are .*poolSize/)
    expect(refusal({ creator, max: 5 }).message).toMatch(/unknown option 'max'/)
  })

  it.each<[keyof PoolOptions, readonly unknown[]]>([
    ['poolSize', [-1, 1.5, '5', null, Number.NaN, Number.POSITIVE_INFINITY]],
    ['maxOverflow', [-2, -1.5, 0.5, '0', null]],
    ['timeoutMs', [-1, '30s', Number.NaN, Number.POSITIVE_INFINITY, true]],
    ['connectTimeoutMs', [-1, null, '1']],
    ['resetTimeoutMs', [-1, null]],
    ['closeTimeoutMs', [-1, null]],
    ['recycleMs', [-2, -0.5, null, '-1', Number.NaN]],
    ['useLifo', [1, 'true', null]],
    ['prePing', [1, null]],
    ['collectOnStarvation', [1, 20, 'true', null]],
    ['useThreadlocal', ['true', 0]],
    ['traceCheckouts', ['yes']],
    ['resetOnReturn', ['rollbak', 'NONE', 5, {}]],
    ['creator', ['pg', {}]],
    ['dialect', ['pg', null, () => {}, {}, { name: 'x' }, { name: 'x', rollback() {}, commit() {} }]],
    ['logger', [console.log, null, {}, { error() {} }]],
    ['events', [{}, () => {}, [5], [() => {}]]],
  ])('are refused when ill-typed or out of range, by name: %s (8, 33, 36)', (name, values) => {
    for (const value of values) {
      const { message } = refusal({ creator, [name]: value })
      expect(message).toMatch(new RegExp(`^pool options: ${name} must be .+, got .+`))
    }
  })

  it('are refused when one of the listeners is none, or its event does not exist (262)', () => {
    expect(() => gatedPool({ events: [[5, 'connect']] as never })).toThrow(ArgumentError)
    expect(() => gatedPool({ events: [[() => {}, 'conect']] as never })).toThrow(InvalidRequestError)
    expect(() => gatedPool({ events: [[() => {}, 'conect']] as never })).toThrow(
      /no event 'conect'.*It has firstConnect/,
    )
  })

  it('are refused when they ask for more connections than a table can hold', () => {
    expect(refusal({ creator, poolSize: 65_537, maxOverflow: 0 }).message).toMatch(/65,536 is the most/)
    expect(refusal({ creator, poolSize: 40_000, maxOverflow: 40_000 }).message).toMatch(/65,536 is the most/)
    expect(() => createPool({ creator, poolSize: 65_000, maxOverflow: 536 })).not.toThrow()
  })

  it('may be undefined, which is the default', () => {
    const pool = createPool({ creator, poolSize: undefined, timeoutMs: undefined, useLifo: undefined } as never)
    expect(pool.settings).toMatchObject({ poolSize: 5, maxOverflow: 10, timeoutMs: 30_000, useLifo: false })
  })

  it('have these defaults (7, 8, 9, 22)', () => {
    const { logger, ...settings } = createPool({ creator }).settings
    expect(settings).toEqual({
      poolSize: 5,
      pingIntervalMs: null,
      transport: 'best',
      maxOverflow: 10,
      timeoutMs: 30_000,
      connectTimeoutMs: 30_000,
      retryConnect: false,
      resetTimeoutMs: 5000,
      closeTimeoutMs: 5000,
      useLifo: false,
      recycleMs: -1,
      prePing: false,
      collectOnStarvation: false,
      maxLifetimeMs: null,
      idleTimeoutMs: null,
      minIdle: 0,
      keepaliveMs: null,
      maxWaiters: null,
      leakDetectionMs: null,
      maxLeaseMs: null,
      detectDeadlocks: false,
      resetOnReturn: 'rollback',
      useThreadlocal: false,
      traceCheckouts: false,
      storeTraceback: true,
      echo: false,
      loggingName: undefined,
    })
    expect(Object.keys(logger).sort()).toEqual(['debug', 'error', 'info', 'warn'])
  })

  it.each([
    ['rollback', 'rollback'],
    [true, 'rollback'],
    ['commit', 'commit'],
    ['none', 'none'],
    [false, 'none'],
    [null, 'none'],
  ] as const)('name the reset in several ways: %s is %s (8)', (resetOnReturn, mode) => {
    expect(createPool({ creator, resetOnReturn }).settings.resetOnReturn).toBe(mode)
  })
})

describe("a checkout's options", () => {
  it('are refused when unknown or ill-typed, and nothing has been opened', async () => {
    const { pool, driver } = gatedPool()
    await expect(pool.connect({ timeout: 5 } as never)).rejects.toThrow(/connect options: unknown option 'timeout'/)
    await expect(pool.connect(null as never)).rejects.toThrow(ArgumentError)
    await expect(pool.uniqueConnection({ signal: 5 } as never)).rejects.toThrow(/signal must be an AbortSignal/)
    await expect(pool.use(() => {}, { timeoutMs: -5 })).rejects.toThrow(/timeoutMs must be a number of milliseconds/)
    expect([driver.opened, pool.status().checkedout]).toEqual([0, 0])
  })
})
