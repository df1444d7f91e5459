import { describe, expect, it } from 'vitest'
import { type ConnectionRecord, InvalidRequestError, Pool } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { collectUntil } from '../support/observe.ts'
import {
  type GatedOptions,
  type GatedPoolOf,
  gone,
  guestInNewWorker,
  poolOf,
  poolPlaces,
  slotsInUse,
} from '../support/pool-places.ts'
import { ImpatientPool, StrictPool } from '../support/user-pools.ts'

const strict = (options?: GatedOptions): GatedPoolOf<StrictPool<GatedConnection>> =>
  poolOf(StrictPool<GatedConnection>, options)

const recordsOf = (pool: Pool<GatedConnection>): ConnectionRecord<GatedConnection>[] => [...pool.records]

describe.each(poolPlaces)('a user’s own subclass of Pool, $where', place => {
  it('decides which record is lent, and what becomes of one that comes home (16)', async () => {
    const { pool, driver } = strict({ poolSize: 2 })
    const guest = await place.guestOf(pool)
    const [a, b] = [await guest.connect(), await guest.connect()]
    expect(await guest.status()).toEqual({ text: 'StrictPool', checkedin: 0, checkedout: 2 })
    expect(await guest.refused()).toMatchObject({ class: 'RangeError', message: 'All are out.' })
    await a.close()
    await b.close()
    expect(await guest.status()).toEqual({ text: 'StrictPool', checkedin: 2, checkedout: 0 })
    const again = await guest.connect()
    expect([again.number, pool.returns, driver.opened]).toEqual([2, 2, 2])
    recordsOf(pool)[1]!.recordInfo.set('tired', true)
    await again.close()
    expect([driver.connections.map(({ state }) => state), slotsInUse(pool)]).toEqual([['open', 'closed'], 1])
  })

  it.each([
    ['a reset', {}],
    ['no reset', { resetOnReturn: 'none' }],
  ] as const)('is asked at every return, before close() has settled, with %s (16)', async (_which, options) => {
    const { pool } = strict(options)
    const guest = await place.guestOf(pool)
    for (let i = 1; i <= 5; i++) {
      await (await guest.connect()).close()
      expect(pool.returns).toBe(i)
    }
  })

  it('has all that happens around a checkout from its base: order of events, reset, staleness (16)', async () => {
    const { pool, driver } = strict()
    driver.listen(pool)
    const guest = await place.guestOf(pool)
    await (await guest.connect()).close()
    expect(driver.take()).toEqual([
      'open 1',
      'on firstConnect 1',
      'on connect 1',
      'on checkout 1',
      'on reset 1',
      'rollback 1',
      'on checkin 1',
    ])
    await guest.invalidate()
    const stay = await guest.connect()
    expect(driver.take()).toEqual(['on close 1', 'close 1', 'open 2', 'on connect 2', 'on checkout 2'])
    await stay.invalidate(new Error('broken'))
    expect(driver.take()).toEqual(['on invalidate 2 (broken)', 'on close 2', 'close 2', 'on checkin -'])
    expect([(await guest.connect()).number, pool.records.size]).toEqual([3, 1])
  })

  it('has its records back after a detach, and after opens that fail (16)', async () => {
    const { pool, driver } = strict({ poolSize: 1 })
    const guest = await place.guestOf(pool)
    driver.next('open', 'fails')
    expect(await guest.refused()).toMatchObject({ message: 'open 1 fails' })
    expect([slotsInUse(pool), pool.records.size]).toEqual([0, 0])
    const detached = await guest.connect()
    await detached.detach()
    driver.next('open', 'fails')
    expect(await guest.refused()).toMatchObject({ message: 'open 3 fails' })
    expect([(await guest.connect()).number, pool.records.size]).toEqual([4, 1])
    await detached.close()
    expect(driver.open).toBe(1)
  })

  it('may let callers wait, in its own order, and they leave by their own deadline or signal (16)', async () => {
    const { pool, driver } = poolOf(ImpatientPool<GatedConnection>)
    const guest = await place.guestOf(pool)
    const waiters = (count: number): Promise<void> =>
      eventually(() => pool.status().waiting).toBe(count) as Promise<void>
    const first = await guest.connect()
    expect(await guest.refused({ timeoutMs: 20 })).toMatchObject({ class: 'TimeoutError' })
    const controller = new AbortController()
    const aborted = guest.refused({ signal: controller.signal })
    await waiters(1)
    controller.abort(new RangeError('enough'))
    expect(await aborted).toMatchObject({ message: 'enough' })
    await waiters(0)
    const second = guest.connect()
    await waiters(1)
    await first.close()
    expect([(await second).number, driver.opened]).toEqual([1, 1])
    const third = guest.connect()
    await waiters(1)
    await (await second).invalidate()
    expect([(await third).number, slotsInUse(pool)]).toEqual([2, 1])
  })

  it('disposes of what it keeps as it likes, and is usable after that (16, 254)', async () => {
    const { pool, driver } = strict()
    const guest = await place.guestOf(pool)
    const [a, b, c] = [await guest.connect(), await guest.connect(), await guest.connect()]
    await a.close()
    await b.invalidate()
    await guest.dispose()
    expect([driver.connections.map(({ state }) => state), slotsInUse(pool)]).toEqual([['closed', 'closed', 'open'], 1])
    expect([await c.isValid(), (await guest.connect()).number]).toEqual([true, 4])
  })
})

describe('a user’s own subclass of Pool', () => {
  it('must say how it lends, takes back, disposes and reports: the base can’t, and can’t be made (16)', () => {
    // @ts-expect-error
    class Incomplete extends Pool<object> {}
    expect(Incomplete.name).toBe('Incomplete')
    const make = (): unknown => Reflect.construct(Pool, [{ creator: () => ({}) }, () => 1])
    expect(make).toThrow(InvalidRequestError)
    expect(make).toThrow('Pool is abstract')
  })

  it('has each thread’s connections: one is given to another thread once it is home (16)', async () => {
    const { pool, driver } = strict({ poolSize: 1 })
    const guest = await guestInNewWorker(pool)
    const fairy = await pool.connect()
    expect(await guest.refused()).toMatchObject({ message: 'All are out.' })
    await fairy.close()
    const stay = await guest.connect()
    expect([stay.number, await stay.query('select')]).toEqual([1, { number: 1, text: 'select' }])
    await expect(pool.connect()).rejects.toThrow('All are out.')
    await stay.close()
    expect([(await pool.connect()).number, driver.opened]).toEqual([1, 1])
  })

  it('has back what a thread held that has died, and what was being opened for it (16)', async () => {
    const { pool, driver } = strict({ poolSize: 2 })
    const guest = await guestInNewWorker(pool)
    await guest.connect()
    driver.next('open', 'slow')
    guest.connect().catch(() => {})
    await driver.reached('open')
    await guest.worker.terminate()
    await gone(pool, guest)
    await driver.release('open')
    await eventually(() => pool.status()).toMatchObject({ checkedin: 2, checkedout: 0 })
    expect([driver.connections.map(({ state }) => state), pool.returns]).toEqual([['closed', 'open'], 2])
    expect([(await pool.connect()).isValid, (await pool.connect()).isValid]).toEqual([true, true])
  })

  it('has back what a caller has lost (16)', async () => {
    const { pool } = strict({ poolSize: 1 })
    const borrow = async (): Promise<void> => void (await pool.connect())
    await borrow()
    await collectUntil(() => pool.returns === 1)
    expect((await pool.connect()).number).toBe(1)
  })

  it('has back what it claimed for a caller who left at that very moment (16)', async () => {
    const { pool, driver } = poolOf(ImpatientPool<GatedConnection>, { resetOnReturn: 'none' })
    const fairy = await pool.connect()
    const controller = new AbortController()
    const left = pool.connect({ signal: controller.signal })
    expect(pool.status().waiting).toBe(1)
    const closed = fairy.close()
    expect(pool.status().waiting).toBe(0)
    controller.abort(new RangeError('too late'))
    await expect(left).rejects.toThrow('too late')
    await closed
    expect([(await pool.connect()).number, driver.opened, slotsInUse(pool)]).toEqual([1, 1, 1])
  })

  it('shares one connection among the nested checkouts of a thread, with useThreadlocal (16)', async () => {
    const { pool } = strict({ useThreadlocal: true })
    const [outer, inner] = [await pool.connect(), await pool.connect()]
    expect([inner === outer, (await pool.uniqueConnection()) === outer]).toEqual([true, false])
  })

  it('is named by its own class in the log (16)', async () => {
    const { pool, driver, logger } = strict()
    driver.next('rollback', 'fails')
    await (await pool.connect()).close()
    expect(logger.lines[0]).toMatch(/^error: fairypool\.StrictPool: /)
  })
})
