import { describe, expect, it } from 'vitest'
import { StaticPool } from '../../src/index.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import { eventually } from '../support/eventually.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { settle } from '../support/observe.ts'
import { type GatedOptions, type GatedPoolOf, poolOf, poolPlaces, slotsInUse, waiting } from '../support/pool-places.ts'

const staticPool = (options?: GatedOptions): GatedPoolOf<StaticPool<GatedConnection>> =>
  poolOf(StaticPool<GatedConnection>, options)

const recordOf = (pool: StaticPool<GatedConnection>): ConnectionRecord<GatedConnection> => [...pool.records][0]!

/** The record's own slot, while it has a connection. */
const atRest = 1

describe.each(poolPlaces)('a StaticPool whose connection is broken, $where', place => {
  it('closes once what two find broken at the same time on its way home', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const [a, b] = [await guest.connect(), await guest.connect()]
    driver.take()
    driver.listen(pool, 'invalidate', 'close', 'checkin')
    driver.next('rollback', 'slow', 'slow')
    const closing = [a.close(), b.close()]
    await driver.reached('rollback', 2)
    driver.take()
    await driver.release('rollback', new Error('first'))
    await driver.release('rollback', new Error('second'))
    await Promise.all(closing)
    expect(driver.take().sort()).toEqual([
      'close 1',
      'on checkin -',
      'on checkin -',
      'on close 1',
      'on invalidate 1 (first)',
    ])
    expect([slotsInUse(pool), (await guest.connect()).number]).toEqual([0, 2])
  })

  it('is announced once as broken when several say so at the same time, and checked in for each', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const stays = await Promise.all(Array.from({ length: 4 }, () => guest.connect()))
    driver.take()
    driver.listen(pool, 'invalidate', 'close', 'checkin')
    pool.on('invalidate', () => settle())
    await Promise.all(stays.map((stay, i) => stay.invalidate(new Error(`says ${i}`))))
    const log = driver.take()
    expect(log[0]).toBe('on invalidate 1 (says 0)')
    expect(log.slice(1).sort()).toEqual(['close 1', ...Array(4).fill('on checkin -'), 'on close 1'])
    expect([slotsInUse(pool), driver.open]).toEqual([0, 0])
  })

  it('is not reopened before it is closed, whoever comes home meanwhile', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const [a, b, c] = await Promise.all([guest.connect(), guest.connect(), guest.connect()])
    driver.next('close', 'slow')
    const invalidated = a!.invalidate()
    await driver.reached('close')
    await b!.close()
    await c!.invalidate()
    const next = guest.connect()
    await waiting(pool, 1)
    expect(driver.opened).toBe(1)
    await driver.release('close')
    await invalidated
    expect([(await next).number, slotsInUse(pool)]).toEqual([2, atRest + 1])
  })

  it('stays as it is when an invalidate listener refuses; whoever comes next may still invalidate it', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const [a, b] = [await guest.connect(), await guest.connect()]
    pool.once('invalidate', async () => {
      await settle()
      throw new TypeError('refused')
    })
    const both = await Promise.allSettled([a.invalidate(), b.invalidate()])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect([await a.isValid(), await b.isValid(), driver.open]).toEqual([true, false, 0])
    await a.close()
    expect(slotsInUse(pool)).toBe(0)
  })

  it('is invalidated once when a lost connection fails the calls of several', async () => {
    const { pool, driver } = staticPool(driver => ({ dialect: driver.dialect({ isDisconnect: () => true }) }))
    const guest = await place.guestOf(pool)
    const stays = await Promise.all(Array.from({ length: 4 }, () => guest.connect()))
    driver.listen(pool, 'invalidate', 'close')
    driver.set('call', 'slow')
    const calls = stays.map(stay => stay.query('select').catch((error: Error) => error.message))
    await driver.reached('call', 4)
    driver.take()
    for (let i = 0; i < 4; i++) await driver.release('call', new Error('gone'))
    for (const call of await Promise.all(calls)) expect(call).toContain('gone')
    await eventually(() => slotsInUse(pool)).toBe(0)
    expect(driver.take()).toEqual(['on invalidate 1 (gone)', 'on close 1', 'close 1'])
    expect([(await guest.connect()).number, await stays[1]!.isValid()]).toEqual([2, false])
  })

  it('is replaced in a checkout that finds it dead while a holder invalidates it', async () => {
    const { pool, driver } = staticPool({ prePing: true })
    const guest = await place.guestOf(pool)
    const holder = await guest.connect()
    driver.take()
    driver.listen(pool, 'invalidate', 'close', 'checkin')
    driver.next('ping', 'slow')
    driver.next('close', 'slow')
    const asked = guest.connect()
    await driver.reached('ping')
    const invalidated = holder.invalidate(new Error('broken'))
    await driver.reached('close')
    await driver.release('ping')
    await settle()
    await driver.release('close')
    expect((await asked).number).toBe(2)
    await invalidated
    const log = ['ping 1', 'on invalidate 1 (broken)', 'on close 1', 'close 1', 'on checkin -', 'open 2']
    expect(driver.take()).toEqual(log)
    expect(slotsInUse(pool)).toBe(atRest + 1)
  })

  it('frees its record at once when one detaches it; that one alone keeps the connection', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const [a, b] = [await guest.connect(), await guest.connect()]
    await a.detach()
    expect([(await guest.connect()).number, driver.open]).toEqual([2, 2])
    await b.close()
    await a.close()
    expect(driver.connections.map(({ state }) => state)).toEqual(['closed', 'open'])
    expect(slotsInUse(pool)).toBe(atRest + 1)
  })
})

describe('a StaticPool whose connection is broken', () => {
  it('can be closed and invalidated by its record while nobody holds it, or someone does', async () => {
    const { pool, driver } = staticPool()
    await (await pool.connect()).close()
    const record = recordOf(pool)
    expect(record.inUse).toBe(false)
    driver.take()
    driver.listen(pool, 'invalidate', 'close', 'checkin')
    await record.invalidate(new Error('unused'))
    expect(driver.take()).toEqual(['on invalidate 1 (unused)', 'on close 1', 'close 1'])
    const [a, b] = [await pool.connect(), await pool.connect()]
    await b.close()
    expect([record.inUse, driver.take()]).toEqual([true, ['open 2', 'rollback 2', 'on checkin 2']])
    await record.invalidate(new Error('used'))
    expect(driver.take()).toEqual(['on invalidate 2 (used)', 'on close 2', 'close 2', 'on checkin -'])
    expect([a.isValid, record.inUse, slotsInUse(pool)]).toEqual([false, false, 0])
    await (await pool.connect()).close()
    driver.take()
    await record.close()
    expect([driver.take(), slotsInUse(pool), recordOf(pool) === record]).toEqual([['on close 3', 'close 3'], 0, true])
    expect((await pool.connect()).number).toBe(4)
  })

  it('can be invalidated by a reset listener: the rollback goes to the closed connection, and the record is reopened', async () => {
    const { pool, driver } = staticPool()
    const fairy = await pool.connect()
    driver.take()
    pool.on('reset', (_fairy, record) => record!.invalidate(new Error('in the reset')))
    driver.listen(pool, 'invalidate', 'checkin')
    await fairy.close()
    expect(driver.take()).toEqual(['on invalidate 1 (in the reset)', 'close 1', 'rollback 1', 'on checkin -'])
    expect([slotsInUse(pool), (await pool.connect()).number]).toEqual([0, 2])
  })
})
