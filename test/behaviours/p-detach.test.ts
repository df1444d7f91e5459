import { describe, expect, it } from 'vitest'
import { countsOf } from '../support/observe.ts'
import { firstRecord, places } from '../support/places.ts'

describe.each(places)('detach(), $where', place => {
  it('of a fairy whose record others have emptied does nothing: with its connection the loan has ended (228)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0 })
    const held = await user.connect()
    await firstRecord(pool).invalidate()
    driver.listen(pool)
    driver.take()
    await held.detach()
    await held.close()
    expect([driver.take(), await held.isValid(), pool.detached.size]).toEqual([[], false, 0])
    expect([countsOf(pool), (await user.connect()).number]).toEqual([[1, 1, 0, 0], 2])
  })
})
