import { describe, expect, it } from 'vitest'
import { gatedPool } from '../support/gated-pool.ts'
import { countsOf } from '../support/observe.ts'
import { age, allPlaces, failing, firstRecord, type Place, places, soon, type Visit } from '../support/places.ts'
import type { Holding } from '../support/pool-user.ts'

const recycleMs = 30_000

/** A pool whose connections live half a minute, and one of them, which is out. */
async function lent(place: Place, options = {}): Promise<Visit & { readonly held: Holding }> {
  const visit = await place.visit({ poolSize: 1, maxOverflow: 0, recycleMs, ...options })
  return { ...visit, held: await visit.user.connect() }
}

describe.each(allPlaces)('$where', place => {
  it('age counts from the open, whatever use was made of the connection since (157)', async () => {
    const { pool, driver, user, held } = await lent(place)
    age(pool, recycleMs - 5000)
    await held.do(async fairy => void (await fairy.query('x')))
    await held.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    const again = await user.connect()
    expect(again.number).toBe(1)
    // Six seconds more since the open, none of them since its return.
    age(pool, 6000)
    await again.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    expect([(await user.connect()).number, driver.open]).toEqual([2, 1])
  })

  it('what has grown old is touched neither while it is idle nor while it is in use (159)', async () => {
    const { pool, driver, user, held } = await lent(place)
    age(pool, recycleMs + 1)
    expect(await held.do(async fairy => (await fairy.query('x')).number)).toBe(1)
    await held.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    expect([driver.open, driver.opened, firstRecord(pool).staleness]).toEqual([1, 1, 'age'])
    expect((await user.connect()).number).toBe(2)
  })

  it('after that its age begins anew: the record and its recordInfo stay, info is emptied (161)', async () => {
    const { pool, user, held } = await lent(place)
    const record = firstRecord(pool)
    await held.do(async fairy => {
      await fairy.info?.set('colour', 'red')
      await fairy.recordInfo?.set('shape', 'round')
    })
    await held.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    age(pool, recycleMs + 1)
    const next = await user.connect()
    const facts = await next.do(async ({ info, recordInfo }) => [
      await info?.get('colour'),
      await recordInfo?.get('shape'),
    ])
    expect([next.number, ...facts, firstRecord(pool) === record]).toEqual([2, undefined, 'round', true])
    age(pool, recycleMs - 5000)
    await next.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    expect((await user.connect()).number).toBe(2)
  })

  it('with recycleMs 0 every checkout replaces, however young it is; with -1 none does (7, 108, 160)', async () => {
    // A new place is looked at right after its open (108): then it is opened twice for the first checkout.
    for (const [recycleMs, numbers] of [
      [0, [2, 3, 4]],
      [-1, [1, 1, 1]],
    ] as const) {
      const { pool, user } = await place.visit({ poolSize: 1, recycleMs })
      for (const number of numbers) {
        const held = await user.connect()
        expect(held.number).toBe(number)
        age(pool, 3_600_000)
        await held.close()
        await soon(pool).toEqual([1, 1, 0, 0])
      }
    }
  })
})

describe.each(places)('$where', place => {
  it('a replacement that fails: the old one is closed, the error is the caller’s, the place is home and empty (162)', async () => {
    const { pool, driver, user, held } = await lent(place)
    driver.listen(pool)
    await held.close()
    age(pool, recycleMs + 1)
    driver.take()
    driver.next('open', 'fails')
    expect(await failing(user.connect())).toMatchObject({ name: 'GateError', message: 'open 2 fails' })
    expect(driver.take()).toEqual(['on close 1', 'close 1', 'open 2', 'on checkin -'])
    expect([countsOf(pool), driver.open]).toEqual([[1, 1, 0, 0], 0])
    expect((await user.connect()).number).toBe(3)
  })

  it('connect listeners get the new connection, checkout listeners see the info they have set; of a failed one neither (163)', async () => {
    const { pool, driver, user, held } = await lent(place)
    pool.on('connect', ({ number }, record) => {
      driver.note(`connect ${number}, ${record.info.size}`)
      record.info.set('number', number)
    })
    pool.on('checkout', ({ number }, record) => driver.note(`checkout ${number}, ${record.info.get('number')}`))
    await held.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    age(pool, recycleMs + 1)
    driver.take()
    await (await user.connect()).close()
    await soon(pool).toEqual([1, 1, 0, 0])
    const reopened = ['close 1', 'open 2', 'connect 2, 0', 'checkout 2, 2']
    expect(driver.take().filter(line => line !== 'rollback 2')).toEqual(reopened)
    age(pool, recycleMs + 1)
    driver.next('open', 'fails')
    await failing(user.connect())
    expect(driver.take()).toEqual(['close 2', 'open 3'])
  })

  it('a nested checkout does not look at the age (164)', async () => {
    const { pool, user, held } = await lent(place, { useThreadlocal: true })
    age(pool, recycleMs + 1)
    const nested = await user.connect()
    expect(await nested.do(async fairy => (await fairy.query('x')).number)).toBe(1)
    await nested.close()
    expect(countsOf(pool)).toEqual([1, 0, 0, 1])
    await held.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    expect((await user.connect()).number).toBe(2)
  })
})

it('is strict about the age: as old as recycleMs is not older (158)', async () => {
  const { pool } = gatedPool({ poolSize: 1, recycleMs: 0 })
  await (await pool.connect()).close()
  const record = firstRecord(pool)
  // In the future, as it were: not older than 0 either.
  pool.slots.stampOpening(record.slot, record.lastConnectTime + 60_000)
  expect(record.staleness).toBeUndefined()
})
