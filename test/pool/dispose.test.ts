import { describe, expect, it } from 'vitest'
import { createPool } from '../../src/coordinator/create-pool.ts'
import { QueuePool } from '../../src/pool/queue-pool.ts'
import { type GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { gatedPool, numbersOf, take } from '../support/gated-pool.ts'
import { countsOf, settle } from '../support/observe.ts'

describe('dispose', () => {
  it('closes what is idle, told of each; the pool stays usable and opens anew; again changes nothing (245, 257)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2 })
    for (const fairy of await take(pool, 2)) await fairy.close()
    driver.listen(pool, 'close', 'invalidate', 'checkin')
    driver.take()
    await pool.dispose()
    expect(driver.take().sort()).toEqual(['close 1', 'close 2', 'on close 1', 'on close 2'])
    expect(countsOf(pool)).toEqual([2, 0, -2, 0])
    await pool.dispose()
    expect(driver.take()).toEqual([])
    expect((await pool.connect()).number).toBe(3)
  })

  it('leaves what is out alone; it is closed when it comes home, and the counts stay true (246, 247)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2, maxOverflow: 0 })
    const [a, b] = await take(pool, 2)
    await pool.dispose()
    expect([(await a!.query('x')).number, countsOf(pool)]).toEqual([1, [2, 0, 0, 2]])
    await expect(pool.connect({ timeoutMs: 0 })).rejects.toThrow(/2 of 2 connections are out/)
    driver.take()
    await a!.close()
    expect(driver.take()).toEqual(['rollback 1', 'close 1'])
    expect(countsOf(pool)).toEqual([2, 0, -1, 1])
    const c = await pool.connect()
    await b!.close()
    await c.close()
    expect([countsOf(pool), driver.open]).toEqual([[2, 1, -1, 0], 1])
    expect((await pool.connect()).number).toBe(3)
  })

  it('never has more connections than the limit, those of before included (39, 247)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2, maxOverflow: 0 })
    const old = await take(pool, 2)
    await pool.dispose()
    const waiting = [pool.connect(), pool.connect()]
    await settle()
    expect(driver.open).toBe(2)
    for (const fairy of old) await fairy.close()
    expect(numbersOf(await Promise.all(waiting))).toEqual([3, 4])
    expect(driver.open).toBe(2)
  })

  it('closes also what a failed open or an invalidation has left empty: its place is given up', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2 })
    await (await pool.connect()).invalidate()
    driver.take()
    await pool.dispose()
    expect([driver.take(), countsOf(pool)]).toEqual([[], [2, 0, -2, 0]])
  })

  it('is not stopped by a close listener or a driver that fails: they are logged, all are closed (245, 248)', async () => {
    const { pool, driver, logger } = gatedPool({ poolSize: 3 })
    for (const fairy of await take(pool, 3)) await fairy.close()
    pool.once('close', () => Promise.reject(new Error('listener')))
    driver.next('close', 'fails')
    await pool.dispose()
    expect([driver.open, logger.lines.length, countsOf(pool)]).toEqual([0, 2, [3, 0, -3, 0]])
  })

  it('lends nothing that it is about to close: who comes meanwhile gets a new connection', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2, maxOverflow: 0 })
    await (await pool.connect()).close()
    driver.next('close', 'slow')
    const disposing = pool.dispose()
    expect((await pool.connect()).number).toBe(2)
    await driver.release('close')
    await disposing
    expect(countsOf(pool)).toEqual([2, 0, -1, 1])
  })

  it('closes what was reserved for an invalidation that a listener has refused meanwhile', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1 })
    await (await pool.connect()).close()
    const refused = new Error('refused')
    pool.once('invalidate', async () => {
      await pool.dispose()
      throw refused
    })
    await expect([...pool.records][0]!.invalidate()).rejects.toBe(refused)
    await settle()
    expect([driver.open, countsOf(pool)]).toEqual([0, [1, 0, -1, 0]])
  })

  it('happens by `await using` too', async () => {
    const { pool, driver } = gatedPool()
    await (await pool.connect()).close()
    await pool[Symbol.asyncDispose]()
    expect(driver.open).toBe(0)
  })
})

describe('recreate', () => {
  it('makes a pool of the same class and options, and leaves the old one as it is (250)', async () => {
    class OwnPool<C extends object> extends QueuePool<C> {}
    const driver = new GatedDriver()
    const options = {
      dialect: driver.dialect(),
      poolSize: 3,
      maxOverflow: 7,
      timeoutMs: 123,
      useLifo: true,
      recycleMs: 55,
      prePing: true,
      resetOnReturn: 'commit',
      useThreadlocal: true,
      traceCheckouts: true,
    } as const
    const pool = new OwnPool<GatedConnection>(options)
    const fairy = await pool.connect()
    const other = pool.recreate()
    expect(other).toBeInstanceOf(OwnPool)
    expect(other).not.toBe(pool)
    expect(other.settings).toEqual(pool.settings)
    expect([countsOf(pool), countsOf(other)]).toEqual([
      [3, 0, -2, 1],
      [3, 0, -3, 0],
    ])
    await fairy.close()
    expect([countsOf(pool), countsOf(other)]).toEqual([
      [3, 1, -2, 0],
      [3, 0, -3, 0],
    ])
  })

  it('takes along creator and dialect as they are now (250)', async () => {
    const [before, after] = [new GatedDriver(), new GatedDriver()]
    const pool = createPool({ creator: before.creator })
    pool.creator = after.creator
    pool.dialect = after.dialect({ rollback: () => after.note('swapped') })
    await (await pool.recreate().connect()).close()
    expect([before.take(), after.take()]).toEqual([[], ['open 1', 'swapped']])
  })

  it('takes along the listeners of now, those of the options once, and none of later (250, 251)', async () => {
    const { pool, driver } = gatedPool(driver => ({ events: [[() => driver.note('option'), 'connect']] }))
    pool.on('connect', () => driver.note('before'))
    const other = pool.recreate()
    pool.on('connect', () => driver.note('after'))
    await other.connect()
    expect(driver.take()).toEqual(['open 1', 'option', 'before'])
    await pool.connect()
    expect(driver.take()).toEqual(['open 2', 'option', 'before', 'after'])
  })

  it('leaves the fairies of the old pool with the old pool (252)', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    const other = pool.recreate()
    await pool.dispose()
    await fairy.close()
    expect([countsOf(other), driver.open]).toEqual([[5, 0, -5, 0], 0])
  })

  it('tells firstConnect anew, whether or not the old pool has connected (253)', async () => {
    const { pool, driver } = gatedPool()
    driver.listen(pool, 'firstConnect')
    const early = pool.recreate()
    await early.connect()
    await pool.connect()
    const late = pool.recreate()
    await late.connect()
    expect(driver.take()).toEqual([
      'open 1',
      'on firstConnect 1',
      'open 2',
      'on firstConnect 2',
      'open 3',
      'on firstConnect 3',
    ])
  })
})
