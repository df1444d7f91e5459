import { describe, expect, it } from 'vitest'
import { DisconnectionError } from '../../src/base/errors.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { countsOf, watchWarnings } from '../support/observe.ts'
import { age, allPlaces, firstRecord, places, soon } from '../support/places.ts'

describe.each(allPlaces)('a checkout, $where', place => {
  it('that nobody examines asks nothing of the driver (205)', async () => {
    const { pool, driver, user } = await place.visit(driver => ({
      dialect: driver.dialect({ inTransaction: () => false }),
    }))
    await (await user.connect()).close()
    await soon(pool).toEqual([5, 1, -4, 0])
    driver.take()
    const held = await user.connect()
    expect([held.number, driver.take(), countsOf(pool)]).toEqual([1, [], [5, 0, -4, 1]])
  })
})

describe('a checkout, on the coordinator', () => {
  it('that nobody examines has been made when connect() returns (205)', async () => {
    const { pool } = gatedPool()
    await (await pool.connect()).close()
    const connecting = pool.connect()
    expect(countsOf(pool)).toEqual([5, 0, -4, 1])
    await connecting
  })

  it('whose record is invalidated before its caller has gone on gives a dead fairy, and no error (219)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    await (await pool.connect()).close()
    const warnings = watchWarnings()
    const connecting = pool.connect()
    await firstRecord(pool).invalidate()
    const fairy = await connecting
    expect([fairy.isValid, driver.open, countsOf(pool)]).toEqual([false, 0, [1, 1, 0, 0]])
    await fairy.close()
    expect([warnings, (await pool.connect()).number]).toEqual([[], 2])
  })
})

describe.each(places)('a checkout, $where', place => {
  it('whose record others invalidate while it is opened anew goes on: there is no connection yet (219)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0, recycleMs: 60_000 })
    await (await user.connect()).close()
    await soon(pool).toEqual([1, 1, 0, 0])
    age(pool, 61_000)
    driver.next('open', 'slow')
    const connecting = user.connect()
    await driver.reached('open')
    await firstRecord(pool).invalidate(new Error('somebody'))
    await driver.release('open')
    const held = await connecting
    expect([held.number, await held.isValid(), countsOf(pool)]).toEqual([2, true, [1, 0, 0, 1]])
  })

  it('whose listener abandons the connection has another: no invalidate, no close, no driver close (217)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0 })
    await (await user.connect()).close()
    await soon(pool).toEqual([1, 1, 0, 0])
    driver.listen(pool, 'connect', 'invalidate', 'close', 'checkin')
    driver.take()
    const refused: unknown[] = []
    pool.once('checkout', (_connection, record, fairy) => {
      try {
        Object.assign(fairy, { connection: undefined })
      } catch (error) {
        refused.push(error)
      }
      record.connection = undefined
      throw new DisconnectionError('not of this process')
    })
    const held = await user.connect()
    expect([held.number, driver.take()]).toEqual([2, ['open 2', 'on connect 2']])
    expect(refused).toEqual([expect.any(TypeError)])
    expect([driver.open, countsOf(pool)]).toEqual([2, [1, 0, 0, 1]])
    await held.close()
    await soon(pool).toEqual([1, 1, 0, 0])
  })
})
