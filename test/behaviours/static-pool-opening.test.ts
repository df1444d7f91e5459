import { describe, expect, it } from 'vitest'
import { DisconnectionError, StaticPool, TimeoutError } from '../../src/index.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import { eventually } from '../support/eventually.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import {
  type GatedOptions,
  type GatedPoolOf,
  leaveWhileOpening,
  poolOf,
  poolPlaces,
  type Stay,
  slotsInUse,
  waiting,
} from '../support/pool-places.ts'

const staticPool = (options?: GatedOptions): GatedPoolOf<StaticPool<GatedConnection>> =>
  poolOf(StaticPool<GatedConnection>, options)

const recordOf = (pool: StaticPool<GatedConnection>): ConnectionRecord<GatedConnection> => [...pool.records][0]!

/** The record's own slot, while it has a connection. */
const atRest = 1

describe.each(poolPlaces)('a StaticPool that is being lent, $where', place => {
  it('gives a failed open to whoever asked for it; of those who wait the next one tries again, for all', async () => {
    const { pool, driver } = staticPool()
    driver.next('open', 'slow', 'slow')
    const guest = await place.guestOf(pool)
    const first = guest.refused()
    await driver.reached('open')
    const others = [guest.connect(), guest.connect(), guest.connect()]
    await waiting(pool, 3)
    await driver.release('open', new RangeError('no way'))
    expect(await first).toMatchObject({ class: 'RangeError', message: 'no way' })
    await driver.release('open')
    expect((await Promise.all(others)).map(({ number }) => number)).toEqual([2, 2, 2])
    expect(slotsInUse(pool)).toBe(atRest + 3)
  })

  it('gives a failed reopen to whoever asked for it, too; the record stays', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    await (await guest.connect()).invalidate()
    const record = recordOf(pool)
    driver.next('open', 'slow')
    const first = guest.refused()
    await driver.reached('open')
    const others = [guest.connect(), guest.connect()]
    await waiting(pool, 2)
    await driver.release('open', new RangeError('no way'))
    expect(await first).toMatchObject({ message: 'no way' })
    expect((await Promise.all(others)).map(({ number }) => number)).toEqual([3, 3])
    expect([recordOf(pool) === record, slotsInUse(pool)]).toEqual([true, atRest + 2])
  })

  it('does not let those wait for an open who have no patience, and they take nobody along', async () => {
    const { pool, driver } = staticPool()
    driver.next('open', 'slow')
    const guest = await place.guestOf(pool)
    const opener = guest.connect()
    await driver.reached('open')
    const late = guest.refused({ timeoutMs: 20 })
    expect(await late).toMatchObject({ class: 'TimeoutError' })
    const controller = new AbortController()
    const aborted = guest.refused({ signal: controller.signal })
    const patient = guest.connect()
    await waiting(pool, 2)
    controller.abort(new RangeError('enough'))
    expect(await aborted).toMatchObject({ message: 'enough' })
    await driver.release('open')
    expect([(await opener).number, (await patient).number, driver.opened]).toEqual([1, 1, 1])
    expect(slotsInUse(pool)).toBe(atRest + 2)
  })

  it('gives an open whose asker has left to those who wait for it', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const others: Promise<Stay>[] = []
    const left = await leaveWhileOpening(guest, driver, () => {
      others.push(guest.connect(), guest.connect())
      return waiting(pool, 2)
    })
    expect(left).toMatchObject({ class: 'RangeError', message: 'enough' })
    await waiting(pool, 2)
    await driver.release('open')
    expect((await Promise.all(others)).map(({ number }) => number)).toEqual([1, 1])
    expect([driver.opened, slotsInUse(pool)]).toEqual([1, atRest + 2])
  })

  it('keeps an open that nobody waits for any more, for the next', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    expect(await leaveWhileOpening(guest, driver)).toMatchObject({ class: 'RangeError', message: 'enough' })
    await driver.release('open')
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
    expect([(await guest.connect()).number, driver.opened, slotsInUse(pool)]).toEqual([1, 1, atRest + 1])
  })

  it('replaces a stale connection once for two who come at the same time (74)', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    await (await guest.connect()).close()
    await guest.invalidate()
    driver.take()
    driver.next('close', 'slow')
    const both = [guest.connect(), guest.connect(), guest.connect()]
    await driver.reached('close')
    await waiting(pool, 2)
    await driver.release('close')
    expect((await Promise.all(both)).map(({ number }) => number)).toEqual([2, 2, 2])
    expect(driver.take()).toEqual(['close 1', 'open 2'])
  })

  it('replaces once more, for all who wait, what is condemned while it is being reopened (74)', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    await (await guest.connect()).invalidate()
    driver.next('open', 'slow')
    const opener = guest.connect()
    await driver.reached('open')
    const others = [guest.connect(), guest.connect(), guest.connect()]
    await waiting(pool, 3)
    await pool.invalidate()
    driver.take()
    await driver.release('open')
    // What has been reopened is lent as it is (109); the next checkout replaces it.
    expect((await opener).number).not.toBe(3)
    expect((await Promise.all(others)).map(({ number }) => number)).toEqual([3, 3, 3])
    expect(driver.take()).toEqual(['close 2', 'open 3'])
    expect(slotsInUse(pool)).toBe(atRest + 4)
  })

  it('is pinged by one after another, and replaced once when it does not answer', async () => {
    const { pool, driver } = staticPool({ prePing: true })
    const guest = await place.guestOf(pool)
    await (await guest.connect()).close()
    driver.connections[0]!.state = 'closed'
    driver.take()
    driver.next('ping', 'slow')
    const both = [guest.connect(), guest.connect()]
    await driver.reached('ping')
    await waiting(pool, 1)
    await driver.release('ping')
    expect((await Promise.all(both)).map(({ number }) => number)).toEqual([2, 2])
    expect(driver.take()).toEqual(['ping 1', 'close 1', 'open 2', 'ping 2'])
    expect(slotsInUse(pool)).toBe(atRest + 2)
  })

  it('is announced as broken only once, even if a ping finds that out while close listeners still run', async () => {
    const { pool, driver } = staticPool({ prePing: true })
    const guest = await place.guestOf(pool)
    const holder = await guest.connect()
    let go = (): void => {}
    pool.once('close', () => new Promise<void>(resolve => (go = resolve)))
    driver.take()
    driver.listen(pool, 'invalidate', 'close')
    driver.next('ping', 'slow')
    const asked = guest.connect()
    await driver.reached('ping')
    driver.connections[0]!.state = 'closed'
    const invalidated = holder.invalidate(new Error('broken'))
    await eventually(() => driver.log.at(-1)).toBe('on invalidate 1 (broken)')
    await driver.release('ping')
    go()
    expect((await asked).number).toBe(2)
    await invalidated
    expect(driver.take()).toEqual(['ping 1', 'on invalidate 1 (broken)', 'on close 1', 'close 1', 'open 2'])
  })

  it('is closed when it has come home, if it was disposed of while it was being examined (76)', async () => {
    const { pool, driver } = staticPool({ prePing: true })
    const guest = await place.guestOf(pool)
    await (await guest.connect()).close()
    driver.next('ping', 'slow')
    const asked = guest.connect()
    await driver.reached('ping')
    await guest.dispose()
    await driver.release('ping')
    const stay = await asked
    expect([await stay.query('select'), driver.open]).toEqual([{ number: 1, text: 'select' }, 1])
    await stay.close()
    await eventually(() => [driver.open, slotsInUse(pool)]).toEqual([0, 0])
    expect((await guest.connect()).number).toBe(2)
  })

  it('is lent dead to whoever was being examined when a holder invalidated it, as any record is (72)', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const holder = await guest.connect()
    let pass = (): void => {}
    pool.once(
      'checkout',
      () =>
        new Promise<void>(resolve => {
          pass = resolve
          driver.note('examined')
        }),
    )
    const asked = guest.connect()
    await eventually(() => driver.log.includes('examined')).toBe(true)
    await holder.invalidate()
    pass()
    await (await asked).close()
    expect([(await guest.connect()).number, slotsInUse(pool), driver.open]).toEqual([2, atRest + 1, 1])
  })

  it('fails a checkout alone whose listener fails, with the connection that it refused; the next reopens', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const holder = await guest.connect()
    pool.once('checkout', () => Promise.reject(new TypeError('not this one')))
    expect(await guest.refused()).toMatchObject({ class: 'TypeError' })
    expect(driver.open).toBe(0)
    expect((await guest.connect()).number).toBe(2)
    await holder.close()
    expect([driver.open, slotsInUse(pool)]).toEqual([1, atRest + 1])
  })

  it('gives up a checkout whose reopen fails, and reopens for the next', async () => {
    const { pool, driver } = staticPool()
    const guest = await place.guestOf(pool)
    const holder = await guest.connect()
    pool.once('checkout', () => Promise.reject(new DisconnectionError('dead')))
    driver.next('open', 'fails')
    expect(await guest.refused()).toMatchObject({ message: 'open 2 fails' })
    await holder.close()
    expect([slotsInUse(pool), (await guest.connect()).number]).toEqual([0, 3])
  })

  it('is closed when it has come home, if it was disposed of while it was being opened (76)', async () => {
    const { pool, driver } = staticPool()
    driver.next('open', 'slow')
    const guest = await place.guestOf(pool)
    const both = [guest.connect()]
    await driver.reached('open')
    await guest.dispose()
    both.push(guest.connect())
    // Whichever of the two: callers of one thread are served in their order.
    expect((await Promise.race(both)).number).toBe(2)
    await driver.release('open')
    const first = (await Promise.all(both)).find(({ number }) => number === 1)!
    expect(await first.query('select')).toMatchObject({ number: 1 })
    await first.close()
    await eventually(() => driver.connections.map(({ state }) => state)).toEqual(['open', 'closed'])
    expect(slotsInUse(pool)).toBe(atRest + 1)
  })
})

describe('a StaticPool that is being lent', () => {
  it('is opened for whoever waits when the deadline of the one who asked has passed', async () => {
    const { pool, driver } = staticPool()
    driver.next('open', 'slow')
    const late = pool.connect({ timeoutMs: 20 })
    const patient = pool.connect()
    await expect(late).rejects.toThrow(TimeoutError)
    await driver.release('open')
    expect([(await patient).number, driver.opened, slotsInUse(pool)]).toEqual([1, 1, atRest + 1])
  })

  it.each([
    ['at once', 'ok'],
    ['slowly', 'slow'],
  ] as const)(
    'is reopened for a checkout that began just before a holder invalidated it, closed %s',
    async (_how, gate) => {
      const { pool, driver } = staticPool({ prePing: true })
      const holder = await pool.connect()
      driver.next('close', gate)
      const asked = pool.connect()
      const invalidated = holder.invalidate()
      if (gate === 'slow') await driver.release('close')
      await invalidated
      const next = await asked
      expect([next.number, driver.open, slotsInUse(pool)]).toEqual([2, 1, atRest + 1])
    },
  )
})
