import { describe, expect, it } from 'vitest'
import { DisconnectionError } from '../../src/base/errors.ts'
import type { GatedFairy } from '../support/gated-pool.ts'
import { countsOf } from '../support/observe.ts'
import { allPlaces, failing, firstRecord, type Place, places, soon, type Visit } from '../support/places.ts'
import type { Holding } from '../support/pool-user.ts'

/** A pool of one place whose events are in the driver's log, and whose connection is out. */
async function lent(place: Place, options = {}): Promise<Visit & { readonly held: Holding }> {
  const visit = await place.visit({ poolSize: 1, maxOverflow: 0, ...options })
  visit.driver.listen(visit.pool)
  const held = await visit.user.connect()
  visit.driver.take()
  return { ...visit, held }
}

const wayHome = ['on reset 1', 'rollback 1', 'on checkin 1']
const invalidated = ['on invalidate 1 (bad)', 'on close 1', 'close 1', 'on checkin -']

describe.each(places)('$where', place => {
  it('a fairy has the members of its connection; what is written stays on the fairy (129)', async () => {
    const { driver, held } = await lent(place)
    const seen = await held.do(async fairy => {
      const mine = fairy as unknown as { colour?: string; query: () => unknown }
      mine.colour = 'red'
      const { text } = await fairy.query('hello')
      mine.query = () => 'mine'
      return { text, colour: mine.colour, own: mine.query(), cursor: typeof fairy.cursor }
    })
    expect(seen).toEqual({ text: 'hello', colour: 'red', own: 'mine', cursor: 'function' })
    expect(driver.take()).toEqual(['call 1'])
    const connection = driver.connections[0]!
    expect(['colour' in connection, Object.hasOwn(connection, 'query')]).toEqual([false, false])
  })

  it('closes beyond the first do nothing: no event, no warning (130)', async () => {
    const { pool, driver, user, held } = await lent(place)
    await Promise.all([held.close(), held.close()])
    await held.close()
    expect(driver.take()).toEqual(wayHome)
    expect([await user.warnings(), countsOf(pool)]).toEqual([[], [1, 1, 0, 0]])
  })

  it('the way home is reset event, reset, callbacks, checkin (131)', async () => {
    const { pool, driver, held } = await lent(place)
    firstRecord(pool).finalizeCallback(({ number }) => driver.note(`callback ${number}`))
    await held.close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1', 'callback 1', 'on checkin 1'])
  })

  it.each(['close', 'invalidate'] as const)('after %s a fairy has nothing any more (132)', async how => {
    const { held } = await lent(place)
    await held.do(async fairy => void (await fairy.info?.set('colour', 'red')))
    await held[how]()
    const has = await held.do(({ isValid, connection, info, recordInfo }) => [isValid, connection, info, recordInfo])
    expect(has).toEqual([false, undefined, undefined, undefined])
    const failure = await failing(held.do(async fairy => await fairy.query('x')))
    expect(failure).toMatchObject({ class: 'InvalidRequestError', message: expect.stringContaining('closed') })
  })

  it('a hard invalidation: invalidate, close, driver close, checkin of nothing, never a reset (133)', async () => {
    const { pool, driver, held } = await lent(place)
    await held.invalidate(new Error('bad'))
    expect(driver.take()).toEqual(invalidated)
    expect([await held.isValid(), countsOf(pool), driver.open]).toEqual([false, [1, 1, 0, 0], 0])
  })

  it('close() after invalidate() does nothing (134)', async () => {
    const { driver, user, held } = await lent(place)
    await held.invalidate(new Error('bad'))
    await held.close()
    expect([driver.take(), await user.warnings()]).toEqual([invalidated, []])
  })

  it.each([false, true])('invalidate() of a dead fairy warns and does nothing else, soft: %s (135)', async soft => {
    const { pool, driver, user, held } = await lent(place)
    await held.close()
    const other = await user.connect()
    driver.take()
    await held.invalidate(new Error('late'), { soft })
    await other.invalidate(new Error('bad'))
    await other.invalidate(new Error('again'), { soft })
    expect(driver.take()).toEqual(invalidated)
    expect(await user.warnings()).toEqual(['FAIRYPOOL_DEAD_FAIRY', 'FAIRYPOOL_DEAD_FAIRY'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('a soft invalidation leaves it usable: reset, callbacks and checkin as ever; replaced at the next checkout (136)', async () => {
    const { pool, driver, user, held } = await lent(place)
    firstRecord(pool).finalizeCallback(({ number }) => driver.note(`callback ${number}`))
    await held.invalidate(new Error('tired'), { soft: true })
    expect(await held.do(async fairy => (await fairy.query('x')).number)).toBe(1)
    await held.close()
    const steps = ['on reset 1', 'rollback 1', 'callback 1', 'on checkin 1']
    expect(driver.take()).toEqual(['on softInvalidate 1 (tired)', 'call 1', ...steps])
    expect((await user.connect()).number).toBe(2)
    expect(driver.take()).toEqual(['on close 1', 'close 1', 'open 2', 'on connect 2', 'on checkout 2'])
  })

  it('the error of an invalidation reaches the event as it was, and is thrown at nobody (137)', async () => {
    const { pool, held } = await lent(place)
    const told: unknown[] = []
    pool.on('softInvalidate', (_, __, error) => told.push(error))
    pool.on('invalidate', (_, __, error) => told.push(error))
    const error = new RangeError('bad', { cause: new Error('worse') })
    await held.invalidate(error, { soft: true })
    await held.invalidate(error)
    expect(told).toHaveLength(2)
    for (const each of told) {
      expect(each).toBeInstanceOf(RangeError)
      expect(each).toMatchObject({ message: 'bad', cause: { message: 'worse' } })
      // Within one thread it is the very object.
      expect(each === error).toBe(place.where === 'on the coordinator')
    }
  })

  it('a hard invalidation ends the checkout for all its nested users; their closes do nothing (138)', async () => {
    const { pool, driver, user, held } = await lent(place, { useThreadlocal: true })
    const nested = await user.connect()
    await nested.invalidate(new Error('bad'))
    expect([await held.isValid(), await nested.isValid()]).toEqual([false, false])
    await nested.close()
    await held.close()
    expect([driver.take(), countsOf(pool)]).toEqual([invalidated, [1, 1, 0, 0]])
    expect((await user.connect()).number).toBe(2)
  })

  it('the owner of the pool can end the checkout of anybody by its record, in whichever thread (139)', async () => {
    const { pool, driver, user, held } = await lent(place, { useThreadlocal: true })
    await firstRecord(pool).checkin()
    expect(driver.take()).toEqual(['on checkin 1'])
    expect([await held.isValid(), countsOf(pool)]).toEqual([false, [1, 1, 0, 0]])
    await held.close()
    const other = await user.connect()
    expect([other.number, driver.take()]).toEqual([1, ['on checkout 1']])
    await firstRecord(pool).invalidate(new Error('bad'))
    expect([await other.isValid(), driver.take()]).toEqual([false, invalidated])
  })

  it('an abort during the reset frees the place like any other failure, and the fairy is dead (140)', async () => {
    const { pool, driver, logger, held } = await lent(place)
    driver.next('rollback', 'slow')
    const closing = held.close()
    await driver.release('rollback', new DOMException('enough', 'AbortError'))
    await closing
    await held.close()
    const steps = ['on reset 1', 'rollback 1', 'on invalidate 1 (enough)', 'on close 1', 'close 1', 'on checkin -']
    expect([driver.take(), await held.isValid(), countsOf(pool)]).toEqual([steps, false, [1, 1, 0, 0]])
    expect(logger.lines).toEqual([expect.stringMatching(/^error: .*could not be reset/)])
  })

  it('a fairy stays the same when its connection is replaced during the checkout (142)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0, useThreadlocal: true })
    const seen: GatedFairy[] = []
    pool.on('checkout', (_, __, fairy) => {
      seen.push(fairy)
      if (seen.length === 1) throw new DisconnectionError('gone')
    })
    const held = await user.connect()
    expect([held.number, seen.length, seen[0] === seen[1]]).toEqual([2, 2, true])
    expect(await held.do(async fairy => (await fairy.query('x')).number)).toBe(2)
    // One close is due, as after any first checkout.
    await held.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    expect(driver.open).toBe(1)
  })

  it('a lost fairy is reset by a temporary one: whole, with no reset agent, of no use after that (143)', async () => {
    const { pool, driver, held } = await lent(place)
    const seen: unknown[] = []
    pool.on('reset', async (fairy, record) => {
      seen.push(fairy.resetAgent, fairy.isValid, fairy.connection?.number, fairy.info === record?.info)
      await fairy.query('by a listener')
      await fairy.close()
      await fairy.detach()
    })
    await held.lose(() => pool.status().checkedin === 1)
    expect(seen).toEqual([undefined, true, 1, true])
    expect(driver.take()).toEqual(['on reset 1', 'call 1', 'rollback 1', 'on checkin 1'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })
})

describe.each(allPlaces)('$where', place => {
  it('a fairy is a resource: it goes home at the end of its block, and so it does from use() (144)', async () => {
    const { pool, user } = await place.visit({ poolSize: 1, maxOverflow: 0 })
    const held = await user.connect()
    await held.do(fairy => fairy[Symbol.asyncDispose]())
    await soon(pool).toEqual([1, 1, 0, 0])
    const used = user.do(pool =>
      pool.use(() => {
        throw new RangeError('within')
      }),
    )
    expect(await failing(used)).toMatchObject({ class: 'RangeError', message: 'within' })
    await soon(pool).toEqual([1, 1, 0, 0])
  })

  it('a fairy that is lost comes home, and one that is held does not (143)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2, maxOverflow: 0 })
    const kept = await user.connect()
    const lost = await user.connect()
    await lost.lose(() => pool.status().checkedin === 1)
    expect([await kept.isValid(), countsOf(pool), driver.open]).toEqual([true, [2, 1, 0, 1], 2])
    await kept.close()
    await soon(pool).toEqual([2, 2, 0, 0])
  })
})
