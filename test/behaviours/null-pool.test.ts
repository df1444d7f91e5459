import { describe, expect, it } from 'vitest'
import { NullPool } from '../../src/index.ts'
import { slotFlag } from '../../src/slots/layout.ts'
import { eventually } from '../support/eventually.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { settle } from '../support/observe.ts'
import {
  type GatedOptions,
  type GatedPoolOf,
  guestInNewWorker,
  leaveWhileOpening,
  poolOf,
  poolPlaces,
  slotsInUse,
} from '../support/pool-places.ts'

const nullPool = (options?: GatedOptions): GatedPoolOf<NullPool<GatedConnection>> =>
  poolOf(NullPool<GatedConnection>, options)

describe.each(poolPlaces)('a NullPool, $where', place => {
  it('opens for every checkout and closes on every return; nobody waits, there is no limit (60)', async () => {
    const { pool, driver } = nullPool({ poolSize: 1, maxOverflow: 0, timeoutMs: 0 })
    const guest = await place.guestOf(pool)
    const stays = await Promise.all(Array.from({ length: 20 }, () => guest.connect()))
    expect(new Set(stays.map(({ number }) => number)).size).toBe(20)
    expect(await guest.status()).toEqual({ text: 'NullPool', checkedin: 0, checkedout: 20 })
    await Promise.all(stays.map(stay => stay.close()))
    expect([driver.opened, driver.open, slotsInUse(pool)]).toEqual([20, 0, 0])
    expect((await guest.connect()).number).toBe(21)
  })

  it.each([
    ['that is reset', {}, ['rollback 1']],
    ['that needs no reset', { resetOnReturn: 'none' }, []],
  ] as const)(
    'closes a connection %s before close() has settled, and keeps none (60)',
    async (_which, options, log) => {
      const { pool, driver } = nullPool(options)
      const guest = await place.guestOf(pool)
      const stay = await guest.connect()
      driver.take()
      await stay.close()
      expect([driver.take(), driver.open, slotsInUse(pool)]).toEqual([[...log, 'close 1'], 0, 0])
    },
  )

  it('returns in the order reset, rollback, checkin, close (61)', async () => {
    const { pool, driver } = nullPool()
    driver.listen(pool)
    const guest = await place.guestOf(pool)
    const stay = await guest.connect()
    expect(driver.take()).toEqual(['open 1', 'on firstConnect 1', 'on connect 1', 'on checkout 1'])
    await stay.close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1', 'on checkin 1', 'on close 1', 'close 1'])
  })

  it('has nothing left to close after an invalidation (62)', async () => {
    const { pool, driver } = nullPool()
    const guest = await place.guestOf(pool)
    const stay = await guest.connect()
    driver.take()
    driver.listen(pool)
    await stay.invalidate(new Error('broken'))
    const log = ['on invalidate 1 (broken)', 'on close 1', 'close 1', 'on checkin -']
    expect([driver.take(), await stay.isValid(), slotsInUse(pool)]).toEqual([log, false, 0])
    await stay.close()
    expect(driver.take()).toEqual([])
  })

  it('hides the failure of a reset, and closes the connection (63)', async () => {
    const { pool, driver, logger } = nullPool()
    const guest = await place.guestOf(pool)
    const stay = await guest.connect()
    driver.take()
    driver.listen(pool)
    driver.next('rollback', 'fails')
    await stay.close()
    expect(driver.take()).toEqual([
      'on reset 1',
      'rollback 1',
      'on invalidate 1 (rollback 1 fails)',
      'on close 1',
      'close 1',
      'on checkin -',
    ])
    expect([logger.lines.length, slotsInUse(pool)]).toEqual([1, 0])
  })

  it('opens anew when the pool was invalidated during the open, within one connect() (64)', async () => {
    const { pool, driver } = nullPool()
    driver.listen(pool, 'connect', 'close', 'checkout')
    driver.next('open', 'slow')
    const guest = await place.guestOf(pool)
    const asked = guest.connect()
    await driver.reached('open')
    await pool.invalidate()
    await driver.release('open')
    expect((await asked).number).toBe(2)
    const log = ['open 1', 'on connect 1', 'on close 1', 'close 1', 'open 2', 'on connect 2', 'on checkout 2']
    expect(driver.take()).toEqual(log)
  })

  it('opens anew when a connection is older than recycleMs once it is open, within one connect() (64)', async () => {
    const { pool, driver } = nullPool({ recycleMs: 1000 })
    driver.listen(pool, 'connect', 'close')
    driver.next('open', 'slow')
    const guest = await place.guestOf(pool)
    const asked = guest.connect()
    await driver.reached('open')
    for (const { slot } of pool.records) pool.slots.stampOpening(slot, pool.slots.openedAt(slot) - 2000)
    await driver.release('open')
    expect((await asked).number).toBe(2)
    expect(driver.take()).toEqual(['open 1', 'on connect 1', 'on close 1', 'close 1', 'open 2', 'on connect 2'])
  })

  it('pings nothing that it has just opened, which is everything (65)', async () => {
    const { pool, driver } = nullPool({ prePing: true })
    const guest = await place.guestOf(pool)
    await (await guest.connect()).close()
    await guest.connect()
    expect(driver.take()).toEqual(['open 1', 'rollback 1', 'close 1', 'open 2'])
  })

  it('does nothing when disposed of, and says its name (66, 254)', async () => {
    const { pool, driver } = nullPool()
    const guest = await place.guestOf(pool)
    const stay = await guest.connect()
    driver.take()
    await guest.dispose()
    expect([driver.take(), await stay.isValid(), (await guest.status()).text]).toEqual([[], true, 'NullPool'])
    await stay.close()
    expect(driver.take()).toEqual(['rollback 1', 'close 1'])
  })

  it('frees the place of a detached connection and leaves it open (67)', async () => {
    const { pool, driver } = nullPool()
    driver.listen(pool)
    const guest = await place.guestOf(pool)
    const stay = await guest.connect()
    driver.take()
    await stay.detach()
    expect([driver.take(), driver.open, slotsInUse(pool)]).toEqual([['on detach 1'], 1, 0])
    expect((await guest.connect()).number).toBe(2)
    driver.take()
    await stay.close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1', 'on closeDetached 1', 'close 1'])
  })

  it('has nothing left of an open that failed (68)', async () => {
    const { pool, driver } = nullPool()
    driver.listen(pool)
    driver.next('open', 'fails')
    const guest = await place.guestOf(pool)
    expect(await guest.refused()).toMatchObject({ message: 'open 1 fails' })
    expect([driver.take(), slotsInUse(pool)]).toEqual([['open 1'], 0])
    expect((await guest.connect()).number).toBe(2)
  })

  it('has nothing left of opens that nobody awaits any more (60, 68)', async () => {
    const { pool, driver } = nullPool()
    const guest = await place.guestOf(pool)
    for (let i = 1; i <= 2; i++) {
      expect(await leaveWhileOpening(guest, driver)).toMatchObject({ class: 'RangeError', message: 'enough' })
      expect(slotsInUse(pool)).toBe(i)
    }
    await driver.release('open')
    await driver.release('open', new Error('no'))
    await eventually(() => [driver.open, slotsInUse(pool)]).toEqual([0, 0])
  })
})

const pingless = {
  name: 'pingless',
  rollback: () => {},
  commit: () => {},
  close: () => {},
}

describe('a NullPool', () => {
  it('is made anew with its options, its dialect and its listeners (66, 250)', async () => {
    const { pool, driver, logger } = nullPool({
      recycleMs: 70_000,
      resetOnReturn: 'commit',
      prePing: true,
      loggingName: 'n',
    })
    driver.listen(pool, 'connect', 'checkin')
    const again = pool.recreate()
    expect([again.constructor, again === pool]).toEqual([NullPool, false])
    const settings = { recycleMs: 70_000, resetOnReturn: 'commit', prePing: true, loggingName: 'n', logger }
    expect([again.settings, again.dialect]).toMatchObject([settings, pool.dialect])
    await (await again.connect()).close()
    expect(driver.take()).toEqual(['open 1', 'on connect 1', 'commit 1', 'on checkin 1', 'close 1'])
    expect([again.records.size, pool.records.size]).toEqual([0, 0])
  })

  it('shares one connection among the nested checkouts of a thread, with useThreadlocal, and keeps that when made anew (66)', async () => {
    const { pool, driver } = nullPool({ useThreadlocal: true })
    for (const each of [pool, pool.recreate()]) {
      driver.take()
      const [outer, inner] = [await each.connect(), await each.connect()]
      expect(inner).toBe(outer)
      await inner.close()
      expect(driver.take()).toHaveLength(1)
      await outer.close()
      expect(driver.take()).toHaveLength(2)
    }
  })

  it('refuses a ping that its dialect does not have only where there is something to ping: nowhere (65)', async () => {
    const { pool } = nullPool(({ creator }) => ({ creator, dialect: pingless, prePing: true }))
    await (await pool.connect()).close()
    expect((await pool.connect()).isValid).toBe(true)
  })

  it('closes what a thread held that has died, and what was being opened for it (60)', async () => {
    const { pool, driver } = nullPool()
    const guest = await guestInNewWorker(pool)
    await guest.connect()
    driver.next('open', 'slow')
    guest.connect().catch(() => {})
    await driver.reached('open')
    await guest.worker.terminate()
    await eventually(() => driver.open).toBe(0)
    await driver.release('open')
    await settle()
    expect([driver.open, slotsInUse(pool), pool.records.size]).toEqual([0, 0, 0])
  })

  it('grows, and uses its slots again (60)', async () => {
    const { pool, driver } = nullPool()
    for (let round = 0; round < 3; round++) {
      const fairies = await Promise.all(Array.from({ length: 100 }, () => pool.connect()))
      expect(slotsInUse(pool)).toBe(100)
      await Promise.all(fairies.map(fairy => fairy.close()))
      expect([slotsInUse(pool), driver.open]).toEqual([0, 0])
    }
    expect(pool.slots.capacity).toBe(128)
    expect(pool.slots.isMarked(0, slotFlag.retiring)).toBe(false)
  })
})
