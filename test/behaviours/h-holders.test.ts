import { describe, expect, it } from 'vitest'
import { InvalidRequestError } from '../../src/base/errors.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { countsOf } from '../support/observe.ts'
import { age, allPlaces, failing, firstRecord, type Place, soon, type Visit } from '../support/places.ts'
import type { Holding } from '../support/pool-user.ts'

interface Lent extends Visit {
  readonly held: Holding
  readonly record: ConnectionRecord<GatedConnection>
}

/** A pool of one place whose events are in the driver's log, and whose connection is out. */
async function _lent(place: Place): Promise<Lent> {
  const visit = await place.visit({ poolSize: 1, maxOverflow: 0 })
  visit.driver.listen(visit.pool)
  const held = await visit.user.connect()
  visit.driver.take()
  return { ...visit, held, record: firstRecord(visit.pool) }
}

describe.each(allPlaces)('$where', place => {
  it('the late ends of an earlier loan touch nobody who has the record now (124)', async () => {
    const { pool, user } = await place.visit({ poolSize: 1, maxOverflow: 0 })
    const old = await user.connect()
    await old.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    const holder = await user.connect()
    await old.close()
    await old.detach()
    await old.invalidate()
    await old.invalidate(undefined, { soft: true })
    expect(await failing(old.do(fairy => fairy.query('x')))).toMatchObject({ class: InvalidRequestError.name })
    expect([await holder.isValid(), holder.number, countsOf(pool)]).toEqual([true, 1, [1, 0, 0, 1]])
    await holder.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    expect(await user.warnings()).toEqual(['FAIRYPOOL_DEAD_FAIRY', 'FAIRYPOOL_DEAD_FAIRY'])
  })

  it('nobody shares a record with anybody, in this thread or another (126)', async () => {
    const clashes: string[] = []
    const { pool, user } = await place.visit(driver => ({
      poolSize: 3,
      maxOverflow: 0,
      creator: async () => {
        let inside = 0
        const enter = (): void => void (++inside > 1 && clashes.push('two at once'))
        const leave = (): void => void inside--
        return Object.assign(await driver.openConnection(), { enter, leave })
      },
    }))
    const there = user.do(async pool => {
      const caller = async (): Promise<void> => {
        for (let round = 0; round < 10; round++) {
          await pool.use(async fairy => {
            const door = fairy as unknown as { enter(): unknown; leave(): unknown }
            await door.enter()
            await fairy.query('x')
            await door.leave()
          })
        }
      }
      await Promise.all(Array.from({ length: 8 }, caller))
    })
    const caller = async (): Promise<void> => {
      for (let round = 0; round < 10; round++) {
        await pool.use(async fairy => {
          const door = fairy as unknown as { enter(): unknown; leave(): unknown }
          await door.enter()
          await fairy.query('x')
          await door.leave()
        })
      }
    }
    await Promise.all([there, ...Array.from({ length: 8 }, caller)])
    expect(clashes).toEqual([])
    await soon(pool).toEqual([3, 3, 0, 0])
  })

  it.each(['age', 'pool invalidated', 'soft mark'] as const)(
    'what is at home and stale by %s is not lent (106)',
    async why => {
      const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0, recycleMs: 30_000 })
      await (await user.connect()).close()
      await soon(pool).toEqual([1, 1, 0, 0])
      const record = firstRecord(pool)
      if (why === 'age') age(pool, 30_001)
      if (why === 'pool invalidated') await user.invalidate()
      if (why === 'soft mark') await record.invalidate(undefined, { soft: true })
      expect(record.staleness).toBe(why)
      expect([(await user.connect()).number, driver.open]).toEqual([2, 1])
      expect([record.staleness, firstRecord(pool)]).toEqual([undefined, record])
    },
  )
})

it('of several reasons to replace a connection the first in the order counts: age, pool, soft mark (106)', async () => {
  const { pool } = gatedPool({ poolSize: 1, recycleMs: 30_000 })
  await (await pool.connect()).close()
  const record = firstRecord(pool)
  await record.invalidate(undefined, { soft: true })
  expect(record.staleness).toBe('soft mark')
  await pool.invalidate()
  expect(record.staleness).toBe('pool invalidated')
  const { slots } = pool
  const generation = slots.generation(record.slot)
  age(pool, 30_001)
  // The stamp is one of a new generation: what is older than both is condemned once more.
  expect(slots.generation(record.slot)).not.toBe(generation)
  await pool.invalidate()
  expect(record.staleness).toBe('age')
})
