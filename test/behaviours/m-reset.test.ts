import { describe, expect, it } from 'vitest'
import { places, soon } from '../support/places.ts'

describe.each(places)('the reset, $where', place => {
  it('has worked if it has not failed: what the driver says of its transaction after that is not asked (189)', async () => {
    let isOpen = true
    const { pool, driver, logger, user } = await place.visit(driver => ({
      poolSize: 1,
      maxOverflow: 0,
      dialect: driver.dialect({ inTransaction: () => isOpen }),
    }))
    await (await user.connect()).close()
    await soon(pool).toEqual([1, 1, 0, 0])
    const again = await user.connect()
    expect([again.number, driver.take(), logger.lines]).toEqual([1, ['open 1', 'rollback 1'], []])
    isOpen = false
    await again.close()
    await soon(pool).toEqual([1, 1, 0, 0])
  })
})
