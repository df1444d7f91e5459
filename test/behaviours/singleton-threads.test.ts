import { describe, expect, it } from 'vitest'
import { SingletonThreadPool } from '../../src/index.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import { eventually } from '../support/eventually.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { settle } from '../support/observe.ts'
import {
  type GatedOptions,
  type GatedPoolOf,
  gone,
  guestInNewWorker,
  poolOf,
  slotsInUse,
} from '../support/pool-places.ts'

const singleton = (options?: GatedOptions): GatedPoolOf<SingletonThreadPool<GatedConnection>> =>
  poolOf(SingletonThreadPool<GatedConnection>, options)

const recordsOf = (pool: SingletonThreadPool<GatedConnection>): ConnectionRecord<GatedConnection>[] => [...pool.records]

const states = ({ connections }: { readonly connections: readonly GatedConnection[] }): string[] =>
  connections.map(({ state }) => state)

describe('a SingletonThreadPool of several threads', () => {
  it('has one connection for each, the coordinator’s own thread among them (80, 93)', async () => {
    const { pool } = singleton()
    const guests = [await guestInNewWorker(pool), await guestInNewWorker(pool)]
    const fairy = await pool.connect()
    const stays = await Promise.all(guests.map(guest => guest.connect()))
    const numbers = [fairy.number, ...stays.map(({ number }) => number)]
    expect([numbers.sort(), pool.records.size]).toEqual([[1, 2, 3], 3])
    await Promise.all([fairy.close(), ...stays.map(stay => stay.close())])
    expect((await guests[0]!.connect()).number).toBe(stays[0]!.number)
    expect((await guests[1]!.connect()).number).toBe(stays[1]!.number)
    expect((await pool.connect()).number).toBe(numbers[0])
  })

  it('closes one that is not in use for a newcomer beyond the size, and never one that is (84, 85)', async () => {
    const { pool, driver } = singleton({ poolSize: 2 })
    const [a, b] = [await guestInNewWorker(pool), await guestInNewWorker(pool)]
    const used = await a.connect()
    await (await b.connect()).close()
    const fairy = await pool.connect()
    await eventually(() => states(driver)).toEqual(['open', 'closed', 'open'])
    expect([await used.isValid(), fairy.number, pool.records.size]).toEqual([true, 3, 2])
    // It has lost nothing but time: its next checkout opens another, and none can be closed for that.
    const third = await b.connect()
    expect([third.number, states(driver), String(pool.status())]).toEqual([
      4,
      ['open', 'closed', 'open', 'open'],
      'SingletonThreadPool, 3 connections',
    ])
    expect(await used.query('select')).toMatchObject({ number: 1 })
  })

  it('is larger than its size only as long as all are in use: whoever comes home then is closed (84-86)', async () => {
    const { pool, driver } = singleton({ poolSize: 2 })
    const guests = await Promise.all([1, 2, 3].map(() => guestInNewWorker(pool)))
    const stays = await Promise.all([...guests.map(guest => guest.connect()), pool.connect()])
    expect([driver.open, pool.records.size]).toEqual([4, 4])
    for (const stay of stays) await stay.close()
    await eventually(() => [driver.open, pool.records.size, slotsInUse(pool)]).toEqual([2, 2, 2])
    expect(String(pool.status())).toBe('SingletonThreadPool, 2 connections')
  })

  it('never closes for a newcomer what is just being reset, opened or closed (84, 86)', async () => {
    const { pool, driver } = singleton({ poolSize: 1 })
    const [a, b] = [await guestInNewWorker(pool), await guestInNewWorker(pool)]
    const stay = await a.connect()
    driver.next('rollback', 'slow')
    const closing = stay.close()
    await driver.reached('rollback')
    driver.next('open', 'slow')
    const opening = b.connect()
    await driver.reached('open')
    const fairy = await pool.connect()
    expect([states(driver), pool.records.size]).toEqual([['open', 'open'], 3])
    await driver.release('rollback')
    await closing
    await eventually(() => states(driver)).toEqual(['closed', 'open'])
    await driver.release('open')
    await (await opening).close()
    await eventually(() => states(driver)).toEqual(['closed', 'open', 'closed'])
    expect([fairy.isValid, slotsInUse(pool)]).toEqual([true, 2])
  })

  it('closes only as many as are too many, however long that takes (84)', async () => {
    const { pool, driver } = singleton({ poolSize: 2 })
    const guests = await Promise.all([1, 2, 3].map(() => guestInNewWorker(pool)))
    await (await guests[0]!.connect()).close()
    await (await guests[1]!.connect()).close()
    driver.next('close', 'slow')
    const c = await guests[2]!.connect()
    await driver.reached('close')
    expect(states(driver)).toEqual(['closed', 'open', 'open'])
    const fairy = await pool.connect()
    await driver.release('close')
    await eventually(() => states(driver)).toEqual(['closed', 'closed', 'open', 'open'])
    expect([await c.isValid(), fairy.isValid, pool.records.size]).toEqual([true, true, 2])
  })

  it('has no limit with a size of 0', async () => {
    const { pool, driver } = singleton({ poolSize: 0 })
    const guests = await Promise.all([1, 2, 3].map(() => guestInNewWorker(pool)))
    for (const guest of guests) await (await guest.connect()).close()
    expect([driver.open, pool.records.size]).toEqual([3, 3])
  })

  it('stays within its size, whoever comes and goes at the same time (86)', async () => {
    const { pool, driver } = singleton({ poolSize: 3 })
    const guests = await Promise.all(Array.from({ length: 6 }, () => guestInNewWorker(pool)))
    await Promise.all(
      guests.map(async guest => {
        for (let i = 0; i < 20; i++) await (await guest.connect()).close()
      }),
    )
    await eventually(() => [driver.open, pool.records.size, slotsInUse(pool)]).toEqual([3, 3, 3])
    expect(pool.status()).toMatchObject({ checkedin: 3, checkedout: 0 })
  })

  it('lets one that was disposed of while in use find out alone: others are not touched by its close (85, 87)', async () => {
    const { pool, driver } = singleton()
    const guest = await guestInNewWorker(pool)
    const stay = await guest.connect()
    const nested = await guest.connect()
    await pool.dispose()
    expect([states(driver), await stay.isValid(), (await guest.connect()).fairy]).toEqual([
      ['closed'],
      true,
      stay.fairy,
    ])
    const fairy = await pool.connect()
    driver.take()
    for (const each of [stay, nested, nested]) await each.close()
    expect([driver.take(), fairy.isValid]).toEqual([['rollback 1'], true])
    expect((await guest.connect()).number).toBe(3)
  })

  it('closes a thread’s connection when the thread ends, in use or not (90, 93)', async () => {
    const { pool, driver } = singleton()
    const [a, b] = [await guestInNewWorker(pool), await guestInNewWorker(pool)]
    await (await a.connect()).close()
    await b.connect()
    await b.connect()
    await b.uniqueConnection()
    const fairy = await pool.connect()
    driver.take()
    driver.listen(pool, 'invalidate', 'close')
    await a.worker.terminate()
    await eventually(() => states(driver)).toEqual(['closed', 'open', 'open'])
    expect(driver.take()).toEqual(['on close 1', 'close 1'])
    await b.worker.terminate()
    await eventually(() => [states(driver), slotsInUse(pool)]).toEqual([['closed', 'closed', 'open'], 2])
    const error = `Thread ${b.threadId}, which held this connection, has ended.`
    expect(driver.take()).toEqual([`on invalidate 2 (${error})`, 'on close 2', 'close 2'])
    expect([pool.records.size, fairy.isValid]).toEqual([1, true])
  })

  it('closes what was being opened for a thread that has ended (90, 93)', async () => {
    const { pool, driver } = singleton()
    const guest = await guestInNewWorker(pool)
    driver.next('open', 'slow')
    guest.connect().catch(() => {})
    await driver.reached('open')
    await guest.worker.terminate()
    await gone(pool, guest)
    await settle()
    // The next to bear its number opens its own.
    const next = await guestInNewWorker(pool)
    expect((await next.connect()).number).toBe(2)
    await driver.release('open')
    await eventually(() => [driver.open, pool.records.size, slotsInUse(pool)]).toEqual([1, 1, 2])
  })

  it('forgets the emptied record of a thread that has ended, and with it what it knew (90, 93)', async () => {
    const { pool } = singleton()
    const guest = await guestInNewWorker(pool)
    const stay = await guest.connect()
    recordsOf(pool)[0]!.recordInfo.set('of the dead', 1)
    await stay.invalidate()
    expect(pool.records.size).toBe(1)
    await guest.worker.terminate()
    await eventually(() => pool.records.size).toBe(0)
    await (await guestInNewWorker(pool)).connect()
    expect(recordsOf(pool)[0]!.recordInfo.size).toBe(0)
  })

  it('leaves nothing behind of 100 threads, however they leave (90, 93)', async () => {
    const { pool, driver } = singleton({ poolSize: 5 })
    const leave = async (which: number): Promise<void> => {
      const guest = await guestInNewWorker(pool)
      const asked = guest.connect()
      if (which === 0) await asked.then(stay => stay.close())
      if (which === 1) await asked.then(stay => stay.invalidate())
      if (which === 2) await asked.then(stay => stay.detach())
      if (which === 3) await asked
      // The last ones die while they are being served.
      asked.catch(() => {})
      await guest.worker.terminate()
      await gone(pool, guest)
    }
    for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 10 }, (_, i) => leave(i % 5)))
    await eventually(() => [driver.open, pool.records.size, slotsInUse(pool)]).toEqual([0, 0, 0])
    expect([(await pool.connect()).isValid, pool.status().checkedout]).toEqual([true, 1])
  }, 240_000)

  it('is made anew with its size, its options and its listeners (92, 250)', async () => {
    const { pool, driver } = singleton({ poolSize: 7, recycleMs: 70_000, resetOnReturn: 'commit' })
    driver.listen(pool, 'connect')
    const fairy = await pool.connect()
    const again = pool.recreate()
    expect([again.constructor, again.settings, again.dialect]).toEqual([
      SingletonThreadPool,
      pool.settings,
      pool.dialect,
    ])
    expect(again.settings).toMatchObject({ poolSize: 7, useThreadlocal: true })
    expect(await again.connect()).toBe(await again.connect())
    expect(driver.take()).toEqual(['open 1', 'on connect 1', 'open 2', 'on connect 2'])
    expect(fairy.isValid).toBe(true)
  })
})
