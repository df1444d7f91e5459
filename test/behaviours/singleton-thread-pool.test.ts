import { describe, expect, it } from 'vitest'
import { SingletonThreadPool } from '../../src/index.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import {
  type GatedOptions,
  type GatedPoolOf,
  leaveWhileOpening,
  poolOf,
  poolPlaces,
  slotsInUse,
  waiting,
} from '../support/pool-places.ts'

const singleton = (options?: GatedOptions): GatedPoolOf<SingletonThreadPool<GatedConnection>> =>
  poolOf(SingletonThreadPool<GatedConnection>, options)

const recordsOf = (pool: SingletonThreadPool<GatedConnection>): ConnectionRecord<GatedConnection>[] => [...pool.records]

const states = ({ connections }: { readonly connections: readonly GatedConnection[] }): string[] =>
  connections.map(({ state }) => state)

describe.each(poolPlaces)('a SingletonThreadPool, $where', place => {
  it('gives nested checkouts the same fairy: no checkout event for them, no reset before the outermost close (81)', async () => {
    const { pool, driver } = singleton()
    driver.listen(pool, 'checkout', 'reset', 'checkin')
    const guest = await place.guestOf(pool)
    const [outer, inner, innermost] = [await guest.connect(), await guest.connect(), await guest.connect()]
    expect([inner.fairy, innermost.fairy]).toEqual([outer.fairy, outer.fairy])
    await innermost.close()
    await inner.close()
    expect([driver.take(), await outer.isValid()]).toEqual([['open 1', 'on checkout 1'], true])
    await outer.close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1', 'on checkin 1'])
    expect([await outer.isValid(), driver.open, slotsInUse(pool)]).toEqual([false, 1, 1])
  })

  it('does so whatever useThreadlocal says (81)', async () => {
    const { pool } = singleton({ useThreadlocal: false })
    const guest = await place.guestOf(pool)
    expect((await guest.connect()).fairy).toBe((await guest.connect()).fairy)
  })

  it('opens once for several of a thread who come at the same time, nested or not (80, 81)', async () => {
    const { pool, driver } = singleton()
    driver.next('open', 'slow')
    const guest = await place.guestOf(pool)
    const asked = [guest.connect(), guest.connect(), guest.uniqueConnection(), guest.uniqueConnection()]
    await driver.reached('open')
    await waiting(pool, 2)
    await driver.release('open')
    const fairies = (await Promise.all(asked)).map(({ fairy }) => fairy)
    expect([fairies[0] === fairies[1], new Set(fairies).size, driver.opened]).toEqual([true, 3, 1])
  })

  it('gives uniqueConnection() a fairy of its own over the same connection, whose close resets that and clears nothing (82)', async () => {
    const { pool, driver } = singleton()
    driver.listen(pool, 'checkout', 'checkin')
    const guest = await place.guestOf(pool)
    const nested = await guest.connect()
    const unique = await guest.uniqueConnection()
    expect([unique.number, unique.fairy === nested.fairy]).toEqual([1, false])
    expect(driver.take()).toEqual(['open 1', 'on checkout 1', 'on checkout 1'])
    await unique.close()
    expect([driver.take(), await nested.isValid()]).toEqual([['rollback 1', 'on checkin 1'], true])
    expect((await guest.connect()).fairy).toBe(nested.fairy)
  })

  it('leaves the record where it is on return: the next checkout of the thread has the same connection (83)', async () => {
    const { pool, driver } = singleton()
    const guest = await place.guestOf(pool)
    const first = await guest.connect()
    const [record] = recordsOf(pool)
    await first.close()
    const second = await guest.connect()
    expect([second.number, second.fairy === first.fairy, recordsOf(pool)[0] === record]).toEqual([1, false, true])
    expect(driver.opened).toBe(1)
  })

  it('closes its connections when disposed of, also those in use; their closes are harmless (87, 254)', async () => {
    const { pool, driver, logger } = singleton()
    const guest = await place.guestOf(pool)
    const stay = await guest.connect()
    driver.take()
    driver.listen(pool, 'invalidate', 'close', 'checkin')
    driver.next('close', 'fails')
    await guest.dispose()
    expect([driver.take(), slotsInUse(pool) <= 1]).toEqual([['on close 1', 'close 1'], true])
    expect(logger.lines).toEqual([expect.stringContaining('closing a connection failed')])
    await stay.close()
    expect(driver.take()).toEqual(['rollback 1', 'on checkin -'])
    expect([(await guest.connect()).number, slotsInUse(pool)]).toEqual([2, 2])
  })

  it('ends all nested checkouts with a hard invalidation; the next is a new fairy over a new connection (88)', async () => {
    const { pool, driver } = singleton()
    driver.listen(pool, 'checkin')
    const guest = await place.guestOf(pool)
    const [outer, inner] = [await guest.connect(), await guest.connect()]
    await inner.invalidate()
    expect([await outer.isValid(), await inner.isValid()]).toEqual([false, false])
    const next = await guest.connect()
    expect([next.number, next.fairy === outer.fairy]).toEqual([2, false])
    driver.take()
    await inner.close()
    await outer.close()
    expect([driver.take(), await next.isValid()]).toEqual([[], true])
  })

  it('begins anew after a detach: the next checkout is another fairy over another connection (89)', async () => {
    const { pool, driver } = singleton()
    const guest = await place.guestOf(pool)
    const detached = await guest.connect()
    await detached.detach()
    const next = await guest.connect()
    expect([next.number, next.fairy === detached.fairy, driver.open]).toEqual([2, false, 2])
    await detached.close()
    expect([states(driver), await next.isValid()]).toEqual([['closed', 'open'], true])
    expect((await guest.connect()).fairy).toBe(next.fairy)
  })

  it('says its class and how many connections it has (91)', async () => {
    const { pool } = singleton()
    const guest = await place.guestOf(pool)
    expect((await guest.status()).text).toBe('SingletonThreadPool, 0 connections')
    const stay = await guest.connect()
    const text = 'SingletonThreadPool, 1 connections'
    expect(await guest.status()).toEqual({ text, checkedin: 0, checkedout: 1 })
    await stay.close()
    expect(await guest.status()).toEqual({ text, checkedin: 1, checkedout: 0 })
  })

  it('forgets a failed open: the next checkout tries again', async () => {
    const { pool, driver } = singleton()
    driver.next('open', 'fails')
    const guest = await place.guestOf(pool)
    expect(await guest.refused()).toMatchObject({ message: 'open 1 fails' })
    expect([pool.records.size, slotsInUse(pool)]).toEqual([0, 0])
    expect((await guest.connect()).number).toBe(2)
  })

  it('keeps its connection for the thread whose caller has left while it was being opened', async () => {
    const { pool, driver } = singleton()
    const guest = await place.guestOf(pool)
    expect(await leaveWhileOpening(guest, driver)).toMatchObject({ class: 'RangeError', message: 'enough' })
    await driver.release('open')
    expect([(await guest.connect()).number, driver.opened, slotsInUse(pool)]).toEqual([1, 1, 2])
  })
})
