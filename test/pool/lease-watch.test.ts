import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { StaleLeaseError } from '../../src/base/errors.ts'
import { type LeaseEnd, leaseEndChannel } from '../../src/observe/channels.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import { StaticPool } from '../../src/pool/static-pool.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { type GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { type GatedPool, gatedPool } from '../support/gated-pool.ts'
import { countsOf, failureOf, MemoryLogger, settle } from '../support/observe.ts'

fakeTime()

const textOf = (_method: string | symbol, [text]: readonly unknown[]): string | undefined => text as string | undefined

const open = (options: PoolOptions<GatedConnection>): GatedPool =>
  gatedPool(driver => ({ dialect: driver.dialect({ textOf }), poolSize: 1, maxOverflow: 0, ...options }))

describe('leakDetectionMs', () => {
  it('warns once of a connection that is out for longer, and tells when it comes home after all', async () => {
    const { pool, logger } = open({ leakDetectionMs: 1000, traceCheckouts: true })
    const fairy = await pool.connect()
    await fairy.query('a secretless text')
    await pass(1000)
    expect(logger.lines).toEqual([])
    await pass(200)
    expect(logger.lines).toHaveLength(1)
    expect(logger.lines[0]).toMatch(
      /^warn: .*a connection may be leaked \(leakDetectionMs is 1000\): thread 0 for \d+ ms, last statement: a secretless text; checked out\n {4}at .*lease-watch\.test/,
    )
    await pass(5000)
    expect(logger.lines).toHaveLength(1)
    await fairy.close()
    await pass(100)
    expect(logger.lines[1]).toMatch(
      /^warn: .*may have been leaked was given back after all: thread 0 had it for 6\d\d\d ms\.$/,
    )
    await pass(5000)
    expect(logger.lines).toHaveLength(2)
  })

  it('says nothing of many short loans, nor of a statement of query()', async () => {
    const { pool, driver, logger } = open({ leakDetectionMs: 100 })
    for (let n = 0; n < 30; n++) {
      const fairy = await pool.connect()
      await pass(20)
      await fairy.close()
    }
    driver.next('call', 'slow')
    const answer = pool.query('a')
    await pass(5000)
    await driver.release('call')
    await answer
    expect(logger.lines).toEqual([])
  })
})

describe('maxLeaseMs', () => {
  it('takes a connection away that is out for longer: it is closed, its fairy fails and says why, the next caller is served', async () => {
    const { pool, driver, logger } = open({ maxLeaseMs: 1000 })
    const fairy = await pool.connect()
    await fairy.query('a')
    const waiting = pool.connect()
    await pass(1000)
    expect([fairy.isValid, pool.status().waiting]).toEqual([true, 1])
    await pass(120)
    expect((await waiting).number).toBe(2)
    expect([fairy.isValid, fairy.connection]).toEqual([false, undefined])
    const error = await failureOf((async () => fairy.query('b'))())
    expect(error).toBeInstanceOf(StaleLeaseError)
    expect((error as Error).message).toMatch(
      /taken away: it was out for 1\d\d\d ms, and 1000 is the most \(maxLeaseMs\)/,
    )
    await fairy.close()
    expect(driver.connections[0]!.state).toBe('closed')
    expect(logger.lines).toHaveLength(1)
    expect(logger.lines[0]).toMatch(/is taken away \(maxLeaseMs is 1000\): thread 0 for 1\d\d\d ms, last statement: a/)
    await (await waiting).close()
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('has the query cancelled that it runs', async () => {
    const cancelled: number[] = []
    const { pool, driver } = gatedPool(driver => ({
      dialect: driver.dialect({
        cancel: async connection => {
          cancelled.push(connection.number)
          await driver.release('call')
        },
      }),
      maxLeaseMs: 100,
    }))
    const fairy = await pool.connect()
    driver.next('call', 'slow')
    const answer = fairy.query('a')
    await pass(130)
    await answer
    expect([cancelled, fairy.isValid]).toEqual([[1], false])
  })

  it('ends each lease by a reason of its own, and tells the listeners to invalidate', async () => {
    const { pool } = open({ maxLeaseMs: 100 })
    const told: unknown[] = []
    const reasons: string[] = []
    const hear = (end: unknown): void => void reasons.push((end as LeaseEnd).reason)
    leaseEndChannel.subscribe(hear)
    onTestFinished(() => void leaseEndChannel.unsubscribe(hear))
    pool.on('invalidate', (_connection, _record, error) => void told.push(error))
    await pool.connect()
    await pass(130)
    expect([told, reasons]).toEqual([[expect.any(StaleLeaseError)], ['expired']])
  })

  it('takes nothing from a pool that lends one connection to several', async () => {
    const driver = new GatedDriver()
    const pool = new StaticPool<GatedConnection>({
      dialect: driver.dialect(),
      maxLeaseMs: 100,
      logger: new MemoryLogger(),
    })
    const fairies = [await pool.connect(), await pool.connect()]
    await pass(1000)
    expect(fairies.map(({ isValid }) => isValid)).toEqual([true, true])
  })
})

describe('the timer of both', () => {
  it('is one, as long as there are connections; none when both are off', async () => {
    const before = vi.getTimerCount()
    const timers = (): number => vi.getTimerCount() - before
    const off = open({})
    await (await off.pool.connect()).close()
    await pass(60)
    expect(timers()).toBe(0)
    const { pool } = open({ maxLeaseMs: 1000, leakDetectionMs: 1000 })
    expect(timers()).toBe(0)
    await (await pool.connect()).close()
    await pass(300)
    expect(timers()).toBe(1)
    await pool.dispose()
    await pass(100)
    await settle()
    expect(timers()).toBe(0)
  })
})
