import { describe, expect, it } from 'vitest'
import { InvalidRequestError } from '../../src/base/errors.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { countsOf } from '../support/observe.ts'
import { failing, firstRecord, type Place, places, type Visit } from '../support/places.ts'
import type { Holding } from '../support/pool-user.ts'

interface Lent extends Visit {
  readonly held: Holding
  readonly record: ConnectionRecord<GatedConnection>
}

/** A pool of one place whose events are in the driver's log, and whose connection is out. */
async function lent(place: Place): Promise<Lent> {
  const visit = await place.visit({ poolSize: 1, maxOverflow: 0 })
  visit.driver.listen(visit.pool)
  const held = await visit.user.connect()
  visit.driver.take()
  return { ...visit, held, record: firstRecord(visit.pool) }
}

describe.each(places)('$where', place => {
  it('a hard invalidation: the event with its error, close, driver close; callbacks are forgotten (114)', async () => {
    const { driver, held, record } = await lent(place)
    record.finalizeCallback(() => driver.note('callback'))
    await held.invalidate(new Error('bad'))
    expect(driver.take()).toEqual(['on invalidate 1 (bad)', 'on close 1', 'close 1', 'on checkin -'])
    expect([record.connection, record.state, record.finalizeCallbacks.length]).toEqual([undefined, 'empty', 0])
  })

  it('a hard invalidation of an idle record leaves it at home, empty; again does nothing (113, 115)', async () => {
    const { pool, driver, logger, user, held, record } = await lent(place)
    await held.close()
    driver.take()
    await record.invalidate(new Error('from afar'))
    expect(driver.take()).toEqual(['on invalidate 1 (from afar)', 'on close 1', 'close 1'])
    await record.invalidate(new Error('again'))
    await record.invalidate(new Error('again'), { soft: true })
    expect([driver.take(), logger.lines]).toEqual([[], []])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await user.connect()).number).toBe(2)
    expect([...pool.records]).toEqual([record])
  })

  it('a soft invalidation tells each time, leaves the connection in use, and replaces it once (116, 117)', async () => {
    const { driver, user, held } = await lent(place)
    await held.invalidate(new Error('tired'), { soft: true })
    await held.invalidate(undefined, { soft: true })
    expect(driver.take()).toEqual(['on softInvalidate 1 (tired)', 'on softInvalidate 1 (undefined)'])
    expect(await held.isValid()).toBe(true)
    await held.close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1', 'on checkin 1'])
    await (await user.connect()).close()
    await (await user.connect()).close()
    expect(driver.opened).toBe(2)
  })

  it('a soft and then a hard one: both events, then closed as by the hard one (118)', async () => {
    const { driver, user, held } = await lent(place)
    await held.invalidate(new Error('tired'), { soft: true })
    await held.invalidate(new Error('dead'))
    const events = ['on softInvalidate 1 (tired)', 'on invalidate 1 (dead)', 'on close 1', 'close 1', 'on checkin -']
    expect(driver.take()).toEqual(events)
    expect((await user.connect()).number).toBe(2)
  })

  it('an invalidation of the record ends the loan of whoever has it: no reset on what is closed (119)', async () => {
    const { pool, driver, user, held, record } = await lent(place)
    await record.invalidate(new Error('from afar'))
    expect(driver.take()).toEqual(['on invalidate 1 (from afar)', 'on close 1', 'close 1', 'on checkin -'])
    expect([await held.isValid(), countsOf(pool)]).toEqual([false, [1, 1, 0, 0]])
    const other = await user.connect()
    await held.close()
    expect([other.number, await other.isValid()]).toEqual([2, true])
    expect(driver.take()).toEqual(['open 2', 'on connect 2', 'on checkout 2'])
  })

  it('whose fairy is then lost costs nothing more: no reset, no second checkin (120)', async () => {
    const { pool, driver, user, held, record } = await lent(place)
    await record.invalidate(new Error('from afar'))
    driver.take()
    const other = await user.connect()
    driver.take()
    // The other one is lost after it, so when its loss is seen, the first one's has been.
    let sweeps = 0
    await held.lose(() => ++sweeps > 3)
    await other.lose(() => pool.status().checkedin === 1)
    expect(driver.take()).toEqual(['on reset 2', 'rollback 2', 'on checkin 2'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('a connect listener that invalidates its record fails the checkout; an old place is kept, a new one dropped (127, 128)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0 })
    const condemn = (_: GatedConnection, record: ConnectionRecord<GatedConnection>): Promise<void> =>
      record.invalidate(new Error('not good'))
    pool.once('connect', condemn)
    driver.listen(pool, 'invalidate', 'close', 'checkin')
    expect(await failing(user.connect())).toMatchObject({ class: InvalidRequestError.name })
    expect(driver.take()).toEqual(['open 1', 'on invalidate 1 (not good)', 'on close 1', 'close 1'])
    expect(countsOf(pool)).toEqual([1, 0, -1, 0])

    await (await user.connect()).invalidate()
    pool.once('connect', condemn)
    driver.take()
    expect(await failing(user.connect())).toMatchObject({ class: InvalidRequestError.name })
    const failed = ['on invalidate 3 (not good)', 'on close 3', 'close 3', 'on checkin -']
    expect(driver.take()).toEqual(['open 3', ...failed])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await user.connect()).number).toBe(4)
  })
})
