import { describe, expect, it } from 'vitest'
import { AssertionError, AssertionPool } from '../../src/index.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import { eventually } from '../support/eventually.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { failureOf } from '../support/observe.ts'
import {
  type GatedOptions,
  type GatedPoolOf,
  gone,
  guestInNewWorker,
  leaveWhileOpening,
  poolOf,
  poolPlaces,
  slotsInUse,
} from '../support/pool-places.ts'

const assertionPool = (options?: GatedOptions): GatedPoolOf<AssertionPool<GatedConnection>> =>
  poolOf(AssertionPool<GatedConnection>, options)

const recordOf = (pool: AssertionPool<GatedConnection>): ConnectionRecord<GatedConnection> => [...pool.records][0]!

const refusal = { class: 'AssertionError', message: expect.stringContaining('checked out already') }

describe.each(poolPlaces)('an AssertionPool, $where', place => {
  it('lends one connection at a time: a second checkout fails at once and changes nothing (94)', async () => {
    const { pool, driver } = assertionPool()
    driver.listen(pool)
    const guest = await place.guestOf(pool)
    const stay = await guest.connect()
    driver.take()
    expect(await guest.refused()).toMatchObject(refusal)
    expect(await guest.refused({ timeoutMs: null })).toMatchObject(refusal)
    expect([driver.take(), await stay.isValid(), slotsInUse(pool)]).toEqual([[], true, 1])
    expect(await guest.status()).toEqual({ text: 'AssertionPool', checkedin: 0, checkedout: 1 })
    await stay.close()
    expect((await guest.connect()).number).toBe(1)
  })

  it('refuses whoever comes while the first is still being opened (94)', async () => {
    const { pool, driver } = assertionPool()
    driver.next('open', 'slow')
    const guest = await place.guestOf(pool)
    const both = [guest.connect()]
    await driver.reached('open')
    both.push(guest.connect())
    // One of the two: what a thread is refused is told to the first of its callers.
    await expect(Promise.race(both)).rejects.toThrow('checked out already')
    await driver.release('open')
    expect((await Promise.any(both)).number).toBe(1)
    expect([driver.opened, slotsInUse(pool)]).toEqual([1, 1])
  })

  it.each([
    ['that is reset', {}],
    ['that needs no reset', { resetOnReturn: 'none' }],
  ] as const)('lends its connection again as soon as close() has settled, one %s (94, 95)', async (_which, options) => {
    const { pool, driver } = assertionPool(options)
    const guest = await place.guestOf(pool)
    for (let i = 0; i < 10; i++) await (await guest.connect()).close()
    expect([driver.opened, driver.open]).toEqual([1, 1])
  })

  it('keeps one record, whose connection stays open between checkouts (95, 102)', async () => {
    const { pool, driver } = assertionPool()
    const guest = await place.guestOf(pool)
    await (await guest.connect()).close()
    const record = recordOf(pool)
    expect(await guest.status()).toEqual({ text: 'AssertionPool', checkedin: 1, checkedout: 0 })
    await (await guest.connect()).close()
    expect([recordOf(pool) === record, driver.take()]).toEqual([true, ['open 1', 'rollback 1', 'rollback 1']])
  })

  it('can be used after an open that failed, and after a reopen that failed (96)', async () => {
    const { pool, driver } = assertionPool()
    driver.next('open', 'fails')
    const guest = await place.guestOf(pool)
    expect(await guest.refused()).toMatchObject({ message: 'open 1 fails' })
    expect(slotsInUse(pool)).toBe(0)
    const stay = await guest.connect()
    expect(stay.number).toBe(2)
    await stay.invalidate()
    const record = recordOf(pool)
    driver.next('open', 'fails')
    driver.take()
    driver.listen(pool, 'checkin')
    expect(await guest.refused()).toMatchObject({ message: 'open 3 fails' })
    expect(driver.take()).toEqual(['open 3', 'on checkin -'])
    expect([(await guest.connect()).number, recordOf(pool) === record]).toEqual([4, true])
  })

  it('can be used after an open that nobody awaits any more, once it is over (96)', async () => {
    const { pool, driver } = assertionPool()
    const guest = await place.guestOf(pool)
    expect(await leaveWhileOpening(guest, driver)).toMatchObject({ class: 'RangeError', message: 'enough' })
    expect(await guest.refused()).toMatchObject(refusal)
    await driver.release('open')
    expect([(await guest.connect()).number, driver.opened]).toEqual([1, 1])
  })

  it('reopens in its record after an invalidation (97)', async () => {
    const { pool, driver } = assertionPool()
    const guest = await place.guestOf(pool)
    const stay = await guest.connect()
    const record = recordOf(pool)
    record.recordInfo.set('of the record', 1)
    await stay.invalidate()
    expect([(await guest.connect()).number, driver.open]).toEqual([2, 1])
    expect([recordOf(pool) === record, record.recordInfo.size]).toEqual([true, 1])
  })

  it.each(['soft', 'pool'] as const)('replaces what is stale at the next checkout: %s invalidation (97)', async how => {
    const { pool, driver } = assertionPool()
    const guest = await place.guestOf(pool)
    const stay = await guest.connect()
    if (how === 'soft') await stay.invalidate(undefined, { soft: true })
    else await guest.invalidate()
    await stay.close()
    expect([(await guest.connect()).number, driver.open]).toEqual([2, 1])
  })

  it('opens a second connection after a detach, while the first lives on (98)', async () => {
    const { pool, driver } = assertionPool()
    const guest = await place.guestOf(pool)
    const detached = await guest.connect()
    await detached.detach()
    const stay = await guest.connect()
    expect([stay.number, await detached.isValid(), driver.open]).toEqual([2, true, 2])
    expect(await guest.refused()).toMatchObject(refusal)
    await detached.close()
    expect([driver.connections.map(({ state }) => state), await stay.isValid()]).toEqual([['closed', 'open'], true])
  })

  it('closes its connection when disposed of; the next is a new one in a new record (99, 254)', async () => {
    const { pool, driver } = assertionPool()
    driver.listen(pool, 'close')
    const guest = await place.guestOf(pool)
    await (await guest.connect()).close()
    const record = recordOf(pool)
    driver.take()
    await guest.dispose()
    expect([driver.take(), slotsInUse(pool)]).toEqual([['on close 1', 'close 1'], 0])
    const stay = await guest.connect()
    expect([stay.number, recordOf(pool) === record]).toEqual([2, false])
    await stay.invalidate()
    await guest.dispose()
    expect([slotsInUse(pool), pool.records.size, (await guest.connect()).number]).toEqual([0, 0, 3])
  })

  it.each([
    ['that is reset', {}, ['rollback 1']],
    ['that needs no reset', { resetOnReturn: 'none' }, []],
  ] as const)(
    'closes one that is out when it comes home, %s; its close() is a normal one (99)',
    async (_, options, log) => {
      const { pool, driver } = assertionPool(options)
      const guest = await place.guestOf(pool)
      const stay = await guest.connect()
      await guest.dispose()
      driver.take()
      driver.listen(pool)
      expect([await stay.query('select'), driver.take()]).toEqual([{ number: 1, text: 'select' }, ['call 1']])
      expect(await guest.refused()).toMatchObject(refusal)
      await stay.close()
      expect(driver.take()).toEqual(['on reset 1', ...log, 'on checkin 1', 'on close 1', 'close 1'])
      expect([slotsInUse(pool), (await guest.connect()).number]).toEqual([0, 2])
    },
  )

  it('closes one that was being opened when it comes home, too (99)', async () => {
    const { pool, driver } = assertionPool()
    driver.next('open', 'slow')
    const guest = await place.guestOf(pool)
    const asked = guest.connect()
    await driver.reached('open')
    await guest.dispose()
    await driver.release('open')
    const stay = await asked
    expect(await stay.isValid()).toBe(true)
    await stay.close()
    await eventually(() => [driver.open, slotsInUse(pool)]).toEqual([0, 0])
    expect((await guest.connect()).number).toBe(2)
  })
})

describe('an AssertionPool', () => {
  // What is lost would come home.
  const held: unknown[] = []
  const borrowHere = (pool: AssertionPool<GatedConnection>) => pool.connect()
  const borrowUnique = (pool: AssertionPool<GatedConnection>) => pool.uniqueConnection()
  const useIt = (pool: AssertionPool<GatedConnection>) => void pool.use(kept => new Promise(() => held.push(kept)))

  it.each([
    ['connect()', borrowHere],
    ['uniqueConnection()', borrowUnique],
    ['use()', useIt],
  ] as const)('says where the first checkout was made, by %s (94)', async (_verb, borrow) => {
    const { pool } = assertionPool()
    held.push(await borrow(pool))
    const error = (await failureOf(pool.connect())) as Error
    expect(error).toBeInstanceOf(AssertionError)
    const [sentence, first] = error.message.split('\n')
    expect(sentence).toBe('The connection is checked out already, by thread 0.')
    if (borrow === useIt) expect(error.message).toContain(useIt.name)
    else expect(first).toContain(borrow.name)
  })

  it.each([{}, { traceCheckouts: true }])(
    'says nothing of that when storeTraceback is false, with %j (94)',
    async more => {
      const { pool } = assertionPool({ storeTraceback: false, ...more })
      held.push(await borrowHere(pool))
      const error = (await failureOf(pool.connect())) as Error
      expect(error.message).toBe('The connection is checked out already, by thread 0.')
    },
  )

  it('says which thread has the connection, whichever it is (94)', async () => {
    const { pool } = assertionPool()
    const guest = await guestInNewWorker(pool)
    const fairy = await pool.connect()
    expect((await guest.refused()).message).toMatch(/by thread 0\.\n.*assertion-pool/)
    await fairy.close()
    const stay = await guest.connect()
    const message = `The connection is checked out already, by thread ${guest.threadId}.`
    expect(await failureOf(pool.connect())).toMatchObject({ message })
    await stay.close()
    expect((await pool.connect()).isValid).toBe(true)
  })

  it('tells two who come at the same time apart: one gets it (94)', async () => {
    const { pool, driver } = assertionPool()
    const outcomes = await Promise.allSettled([pool.connect(), pool.connect(), pool.connect()])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(driver.opened).toBe(1)
  })

  it('lets nested checkouts of a thread share the one fairy, with useThreadlocal, and keeps that when made anew (101)', async () => {
    const { pool } = assertionPool({ useThreadlocal: true })
    for (const each of [pool, pool.recreate()]) expect(await each.connect()).toBe(await each.connect())
  })

  it('is made anew with its options, storeTraceback among them, its dialect and its listeners (101, 250)', async () => {
    const { pool, driver } = assertionPool({ storeTraceback: false, recycleMs: 70_000, resetOnReturn: 'commit' })
    driver.listen(pool, 'connect')
    held.push(await pool.connect())
    driver.take()
    const again = pool.recreate()
    expect([again.constructor, again.dialect, again.settings]).toEqual([AssertionPool, pool.dialect, pool.settings])
    held.push(await again.connect())
    expect(driver.take()).toEqual(['open 2', 'on connect 2'])
    expect(await failureOf(again.connect())).toMatchObject({ message: expect.not.stringContaining('\n') })
  })

  it('lends again what a thread held that has died, and what was being opened for it (96)', async () => {
    const { pool, driver } = assertionPool()
    const holder = await guestInNewWorker(pool)
    await holder.connect()
    await holder.worker.terminate()
    await eventually(() => pool.status().checkedout).toBe(0)
    expect(driver.open).toBe(0)
    const opener = await guestInNewWorker(pool)
    driver.next('open', 'slow')
    opener.connect().catch(() => {})
    await driver.reached('open')
    await opener.worker.terminate()
    await gone(pool, opener)
    await driver.release('open')
    expect([(await pool.connect()).number, driver.open]).toEqual([2, 1])
  })
})
