import { describe, expect, it } from 'vitest'
import { TimeoutError } from '../../src/base/errors.ts'
import { AssertionPool } from '../../src/pool/assertion-pool.ts'
import { NullPool } from '../../src/pool/null-pool.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { SingletonThreadPool } from '../../src/pool/singleton-thread-pool.ts'
import { StaticPool } from '../../src/pool/static-pool.ts'
import { eventually } from '../support/eventually.ts'
import { type GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { gatedPool, take } from '../support/gated-pool.ts'
import { countsOf, failureOf, settle, stateOf } from '../support/observe.ts'
import { allPlaces, failing, waiters } from '../support/places.ts'
import { hold } from '../support/pool-user.ts'

type Dispose = Parameters<QueuePool['dispose']>[0]

describe.each(allPlaces)('dispose() of a pool with connections that are out, $where,', place => {
  it('with timeoutMs waits until they have come home and are closed; new ones can be had meanwhile', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2 })
    const [a, b] = await hold(user, 2)
    const disposed = user.do(pool => pool.dispose({ timeoutMs: 20_000 }))
    await eventually(() => [...pool.records].every(record => record.isRetiring)).toBe(true)
    const c = await user.connect()
    expect([c.number, await a!.isValid()]).toEqual([3, true])
    await a!.close()
    await eventually(() => driver.open).toBe(2)
    expect(await stateOf(disposed)).toBe('pending')
    driver.next('close', 'slow')
    // On the coordinator a close() settles only when the connection is closed.
    const closing = b!.close()
    await driver.reached('close')
    expect(await stateOf(disposed)).toBe('pending')
    await driver.release('close')
    await Promise.all([disposed, closing])
    expect([driver.open, await c.isValid()]).toEqual([1, true])
    await c.close()
    await eventually(() => countsOf(pool)).toEqual([2, 1, -1, 0])
  })

  it('fails after timeoutMs, and says who would not let go; they are closed later all the same', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 3, traceCheckouts: true })
    const [a, b, home] = await hold(user, 3)
    await home!.close()
    await b!.do(fairy => fairy.query('select secrets'))
    const threadId = await user.threadId()
    const failure = await failing(user.do(pool => pool.dispose({ timeoutMs: 30 })))
    expect(failure).toMatchObject({ class: 'TimeoutError', code: 'FAIRYPOOL_TIMEOUT' })
    expect(failure.message).toMatch(
      new RegExp(
        `^dispose\\(\\) timed out after 30 ms: of 3 connections 2 have not come home. Held by thread ${threadId} for \\d+ ms`,
      ),
    )
    const holder = { threadId, use: 'connect', heldMs: expect.any(Number), stack: expect.stringMatching(/\n.*at /) }
    expect(failure.fields).toMatchObject({ phase: 'dispose', timeoutMs: 30, leased: 2, holders: [holder, holder] })
    expect([await a!.isValid(), driver.open]).toEqual([true, 2])
    for (const holding of [a!, b!]) await holding.close()
    await eventually(() => [driver.open, ...countsOf(pool)]).toEqual([0, 3, 0, -3, 0])
  })

  it.each<[string, Dispose]>([
    ['at once', { force: true }],
    ['after timeoutMs', { force: true, timeoutMs: 30 }],
  ])('with force takes them away, %s, and settles when they are closed', async (_when, options) => {
    const { pool, driver, user } = await place.visit({ poolSize: 2, maxOverflow: 0 })
    const [a] = await hold(user, 2)
    const waiting = user.connect()
    await waiters(pool, 1)
    await user.do((pool, options) => pool.dispose(options), options)
    expect(driver.connections.slice(0, 2).map(({ state }) => state)).toEqual(['closed', 'closed'])
    expect(await a!.isValid()).toBe(false)
    expect(await failing(a!.do(async fairy => fairy.query('x')))).toMatchObject({
      message: expect.stringMatching(/closed|taken away/),
    })
    await a!.close()
    expect((await waiting).number).toBe(3)
    await eventually(() => countsOf(pool)).toEqual([2, 0, -1, 1])
  })

  it('without options settles at once, as ever', async () => {
    const { driver, user } = await place.visit({ poolSize: 1 })
    const [held] = await hold(user, 1)
    await user.do(pool => pool.dispose())
    expect([await held!.isValid(), driver.open]).toEqual([true, 1])
  })

  it('refuses options that it does not know, and then has done nothing', async () => {
    const { pool, user } = await place.visit({ poolSize: 1 })
    await (await user.connect()).close()
    expect(await failing(user.do(pool => pool.dispose({ timeout: 5 } as never)))).toMatchObject({
      class: 'ArgumentError',
      message: expect.stringMatching(/dispose options: unknown option 'timeout'/),
    })
    expect(await failing(user.do(pool => pool.dispose({ timeoutMs: -1 })))).toMatchObject({ class: 'ArgumentError' })
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })
})

describe('dispose() with options', () => {
  it('of an idle pool settles as soon as all is closed, however long it might wait', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2, minIdle: 1, idleTimeoutMs: 60_000 })
    for (const fairy of await take(pool, 2)) await fairy.close()
    await pool.dispose({ timeoutMs: null })
    expect(driver.open).toBe(0)
    await pool.dispose({ timeoutMs: 0 })
    await pool.dispose({ force: true })
  })

  it('fault 24: during an open, a reset, a ping or a close ends when that has ended, and twice is as once', async () => {
    for (const step of ['open', 'rollback', 'ping', 'close'] as const) {
      const { pool, driver } = gatedPool({ poolSize: 1, prePing: true })
      if (step !== 'open') await (await pool.connect()).close()
      driver.next(step, 'slow')
      const connecting = step === 'close' ? undefined : pool.connect()
      if (step === 'rollback') void (await connecting!).close()
      const disposals = [pool.dispose({ timeoutMs: null }), pool.dispose({ timeoutMs: null })]
      await driver.reached(step)
      expect([step, await stateOf(disposals[0]!)]).toEqual([step, 'pending'])
      await driver.release(step)
      if (step === 'open' || step === 'ping') await (await connecting!).close()
      await Promise.all(disposals)
      expect([step, driver.open]).toEqual([step, 0])
    }
  })

  it('with force has an end, though a listener has none; and says so', async () => {
    const bounds = { connectTimeoutMs: 10, resetTimeoutMs: 10, closeTimeoutMs: 10 }
    const { pool } = gatedPool({ poolSize: 1, ...bounds })
    await pool.connect()
    pool.on('checkin', () => new Promise(() => {}))
    expect(await failureOf(pool.dispose({ force: true }))).toMatchObject({ phase: 'dispose', timeoutMs: 30 })
  })

  it('lets statements under way finish, and is not kept waiting by those that come later', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 1 })
    driver.next('call', 'slow')
    const asked = pool.query('select 1')
    await driver.reached('call')
    const disposed = pool.dispose({ timeoutMs: null })
    const later = pool.query('select 2')
    await driver.release('call')
    await disposed
    expect(await asked).toMatchObject({ number: 1 })
    expect(await later).toMatchObject({ text: 'select 2' })
  })
})

describe.each([NullPool, AssertionPool])('dispose() of a %o', Class => {
  it('waits for what is out, or takes it away', async () => {
    const driver = new GatedDriver()
    const pool = new Class<GatedConnection>({ dialect: driver.dialect() })
    const fairy = await pool.connect()
    expect(await failureOf(pool.dispose({ timeoutMs: 10 }))).toBeInstanceOf(TimeoutError)
    const waiting = pool.dispose({ timeoutMs: null })
    expect(await stateOf(waiting)).toBe('pending')
    await fairy.close()
    await waiting
    const other = await pool.connect()
    await pool.dispose({ force: true })
    expect([other.isValid, driver.open]).toEqual([false, 0])
  })
})

describe.each([StaticPool, SingletonThreadPool])('dispose() of a %o', Class => {
  it('takes connections away whatever the options say, and can wait for one that is being opened', async () => {
    const driver = new GatedDriver()
    const pool = new Class<GatedConnection>({ dialect: driver.dialect() })
    await pool.connect()
    await pool.dispose({ timeoutMs: 20_000 })
    expect(driver.open).toBe(0)
    driver.next('open', 'slow')
    const connecting = pool.uniqueConnection()
    await driver.reached('open')
    const disposed = pool.dispose({ timeoutMs: null })
    expect(await stateOf(disposed)).toBe('pending')
    await driver.release('open')
    await (await connecting).close()
    await settle()
    await disposed
    expect(driver.open).toBe(0)
  })
})
