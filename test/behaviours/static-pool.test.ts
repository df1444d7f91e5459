import { describe, expect, it } from 'vitest'
import { StaticPool } from '../../src/index.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { collectUntil } from '../support/observe.ts'
import { type GatedOptions, type GatedPoolOf, poolOf, poolPlaces, slotsInUse, waiting } from '../support/pool-places.ts'

const staticPool = (options?: GatedOptions): GatedPoolOf<StaticPool<GatedConnection>> =>
  poolOf(StaticPool<GatedConnection>, options)

const recordOf = (pool: StaticPool<GatedConnection>): ConnectionRecord<GatedConnection> => [...pool.records][0]!

/** The record's own slot, while it has a connection. */
const atRest = 1

describe.each(poolPlaces)('a StaticPool, $where', place => {
  it('lends its one connection to all at the same time, a fairy each (69)', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const stays = await Promise.all(Array.from({ length: 20 }, () => guest.connect()))
    expect(new Set(stays.map(({ fairy }) => fairy)).size).toBe(20)
    expect([driver.opened, pool.records.size]).toEqual([1, 1])
    expect(await guest.status()).toEqual({ text: 'StaticPool', checkedin: 0, checkedout: 20 })
    for (const stay of stays) expect(await stay.query('select')).toEqual({ number: 1, text: 'select' })
    await Promise.all(stays.map(stay => stay.close()))
    expect(await guest.status()).toEqual({ text: 'StaticPool', checkedin: 1, checkedout: 0 })
    expect([driver.open, slotsInUse(pool)]).toEqual([1, atRest])
  })

  it('opens once for two who come at the same time (69)', async () => {
    const { pool, driver } = staticPool()
    driver.listen(pool, 'firstConnect', 'connect', 'checkout')
    driver.next('open', 'slow')
    const guest = await place.guestOf(pool)
    const both = [guest.connect(), guest.connect()]
    await driver.reached('open')
    await waiting(pool, 1)
    expect(driver.log).toEqual(['open 1'])
    await driver.release('open')
    const [a, b] = await Promise.all(both)
    expect([a!.number, b!.number, a!.fairy === b!.fairy]).toEqual([1, 1, false])
    expect(driver.take()).toEqual(['open 1', 'on firstConnect 1', 'on connect 1', 'on checkout 1', 'on checkout 1'])
  })

  it('resets and checks in at each close, for every fairy has a loan of its own (70, 79)', async () => {
    const { pool, driver } = staticPool()
    driver.listen(pool)
    const guest = await place.guestOf(pool)
    const [a, b] = [await guest.connect(), await guest.connect()]
    driver.take()
    await a.close()
    expect([driver.take(), await a.isValid(), await b.isValid()]).toEqual([
      ['on reset 1', 'rollback 1', 'on checkin 1'],
      false,
      true,
    ])
    await b.close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1', 'on checkin 1'])
    await b.close()
    expect(driver.take()).toEqual([])
  })

  it('does nothing on return but reset and checkin: the connection stays open for the next (79)', async () => {
    const { pool, driver } = staticPool({ resetOnReturn: 'none' })
    const guest = await place.guestOf(pool)
    for (let i = 0; i < 3; i++) await (await guest.connect()).close()
    expect(driver.take()).toEqual(['open 1'])
  })

  it('closes the connection under all when one invalidates it; the others only find out (72)', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const [a, b] = [await guest.connect(), await guest.connect()]
    driver.take()
    driver.listen(pool)
    await a.invalidate(new Error('broken'))
    expect(driver.take()).toEqual(['on invalidate 1 (broken)', 'on close 1', 'close 1', 'on checkin -'])
    expect([await a.isValid(), await b.isValid(), driver.open]).toEqual([false, true, 0])
    await b.close()
    expect([driver.take(), slotsInUse(pool)]).toEqual([['on reset 1', 'rollback 1', 'on checkin -'], 0])
  })

  it('leaves the next connection alone when a fairy over the last one is closed, resets badly, or is invalidated (72, 73)', async () => {
    const { pool, driver, logger } = staticPool()
    const guest = await place.guestOf(pool)
    const [a, b, c, d, e] = await Promise.all(Array.from({ length: 5 }, () => guest.connect()))
    await a!.invalidate()
    const next = await guest.connect()
    expect([next.number, driver.opened]).toEqual([2, 2])
    driver.take()
    driver.listen(pool)
    await b!.close()
    driver.next('rollback', 'fails')
    await c!.close()
    await d!.invalidate(new Error('late'))
    await e!.invalidate(new Error('softly'), { soft: true })
    await e!.close()
    const reset = ['on reset 1', 'rollback 1', 'on checkin -']
    expect(driver.take()).toEqual([...reset, ...reset, 'on checkin -', ...reset])
    expect([logger.lines.length, await next.isValid()]).toEqual([1, true])
    expect((await guest.connect()).number).toBe(2)
  })

  it('reopens in the same record, whose recordInfo stays while info is emptied (73)', async () => {
    const { pool } = staticPool()
    const guest = await place.guestOf(pool)
    const stay = await guest.connect()
    const record = recordOf(pool)
    record.info.set('of the connection', 1)
    record.recordInfo.set('of the record', 1)
    await stay.invalidate()
    expect((await guest.connect()).number).toBe(2)
    expect([recordOf(pool) === record, record.info.size, record.recordInfo.size]).toEqual([true, 0, 1])
  })

  it.each([
    ['softly invalidated', 'soft'],
    ['invalidated with the pool', 'pool'],
    ['too old', 'age'],
  ] as const)('replaces a connection that is %s at the next checkout, in its record (74, 75)', async (_which, how) => {
    const { pool, driver } = staticPool({ recycleMs: 60_000 })
    const guest = await place.guestOf(pool)
    const stay = await guest.connect()
    const record = recordOf(pool)
    record.recordInfo.set('of the record', 1)
    if (how === 'soft') await stay.invalidate(undefined, { soft: true })
    if (how === 'pool') await guest.invalidate()
    if (how === 'age') pool.slots.stampOpening(record.slot, pool.slots.openedAt(record.slot) - 70_000)
    driver.take()
    driver.listen(pool, 'invalidate', 'close', 'connect')
    expect([await stay.isValid(), driver.take()]).toEqual([true, []])
    const next = await guest.connect()
    expect(driver.take()).toEqual(['on close 1', 'close 1', 'open 2', 'on connect 2'])
    expect([next.number, recordOf(pool) === record, record.recordInfo.size]).toEqual([2, true, 1])
    await stay.close()
    await next.close()
    expect([driver.take(), slotsInUse(pool)]).toEqual([['rollback 1', 'rollback 2'], atRest])
  })

  it('closes what a late report by a dead fairy is not about only once (72, 74)', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const [a, b] = [await guest.connect(), await guest.connect()]
    await guest.invalidate(a, new Error('broken'))
    expect((await guest.connect()).number).toBe(2)
    await guest.invalidate(b, new Error('broken'))
    expect((await guest.connect()).number).toBe(2)
    expect(driver.open).toBe(1)
  })

  it('closes and forgets its connection when disposed of, and opens a new one for the next (76, 254)', async () => {
    const { pool, driver } = staticPool()
    driver.listen(pool, 'close')
    const guest = await place.guestOf(pool)
    await (await guest.connect()).close()
    const record = recordOf(pool)
    await guest.dispose()
    expect([driver.take(), slotsInUse(pool)]).toEqual([['open 1', 'rollback 1', 'on close 1', 'close 1'], 0])
    await (await guest.connect()).close()
    expect([driver.take(), recordOf(pool) === record]).toEqual([['open 2', 'rollback 2'], false])
  })

  it('closes it under those who hold it when disposed of; their closes touch nobody else’s (76)', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const [a, b] = [await guest.connect(), await guest.connect()]
    await guest.dispose()
    expect(driver.open).toBe(0)
    const next = await guest.connect()
    driver.take()
    await a.close()
    await b.invalidate()
    expect(driver.take()).toEqual(['rollback 1'])
    expect([await next.isValid(), (await guest.connect()).number]).toEqual([true, 2])
    expect((await guest.status()).checkedout).toBe(2)
  })

  it('has nothing left of what was disposed of while in use, once that has been closed (76)', async () => {
    const { pool } = staticPool()
    const guest = await place.guestOf(pool)
    const [a, b] = [await guest.connect(), await guest.connect()]
    await guest.dispose()
    await a.close()
    await b.detach()
    await b.close()
    expect([pool.records.size, slotsInUse(pool), await guest.status()]).toMatchObject([0, 0, { checkedout: 0 }])
  })

  it('leaves an emptied record alone when disposed of (77)', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    await (await guest.connect()).invalidate()
    const record = recordOf(pool)
    driver.take()
    driver.listen(pool)
    await guest.dispose()
    expect(driver.take()).toEqual([])
    await guest.connect()
    expect(recordOf(pool)).toBe(record)
  })
})

describe('a StaticPool', () => {
  it('checks in for each fairy that is lost (71)', async () => {
    const { pool, driver } = staticPool()
    driver.listen(pool, 'checkin')
    const newest = await pool.connect()
    const borrow = async (): Promise<void> => void (await pool.connect())
    await borrow()
    driver.take()
    await collectUntil(() => driver.log.length === 2)
    expect(driver.take()).toEqual(['rollback 1', 'on checkin 1'])
    expect([newest.isValid, slotsInUse(pool)]).toEqual([true, atRest + 1])
  })

  it('uses the slots of its loans again (69)', async () => {
    const { pool } = staticPool()
    for (let i = 0; i < 100; i++) await (await pool.connect()).close()
    expect([pool.slots.capacity, slotsInUse(pool)]).toEqual([16, atRest])
  })

  it('is made anew with its options and listeners, without its connection (78, 250)', async () => {
    const { pool, driver } = staticPool({
      recycleMs: 70_000,
      resetOnReturn: 'commit',
      useThreadlocal: true,
      echo: true,
    })
    driver.listen(pool, 'connect')
    const fairy = await pool.connect()
    const again = pool.recreate()
    expect([again.constructor, again.dialect]).toEqual([StaticPool, pool.dialect])
    expect(again.settings).toEqual(pool.settings)
    expect((await again.connect()).number).toBe(2)
    expect(driver.take()).toEqual(['open 1', 'on connect 1', 'open 2', 'on connect 2'])
    expect(fairy.isValid).toBe(true)
  })

  it('keeps the creator when it is made anew (78)', async () => {
    const { pool, driver } = staticPool(({ creator }) => ({ creator }))
    expect(pool.recreate().creator).toBe(driver.creator)
  })

  it('does not keep the process alive for a connection that nobody holds', async () => {
    const kept: boolean[] = []
    const { pool } = staticPool(driver => ({ dialect: driver.dialect({ keepAlive: (_c, on) => kept.push(on) }) }))
    const [a, b] = [await pool.connect(), await pool.connect()]
    await a.close()
    expect(kept).toEqual([true, true])
    await b.close()
    expect(kept).toEqual([true, true, false])
  })
})
