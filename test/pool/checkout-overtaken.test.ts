import { describe, expect, it } from 'vitest'
import { DisconnectionError } from '../../src/base/errors.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { eventually } from '../support/eventually.ts'
import type { GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { type GatedFairy, gatedPool } from '../support/gated-pool.ts'
import { countsOf } from '../support/observe.ts'
import { firstRecord, places, soon, waiters } from '../support/places.ts'

type Options = PoolOptions<GatedConnection>
const single: Options = { poolSize: 1, maxOverflow: 0 }

const somebody = new Error('somebody')

/** What can overtake a checkout before its caller has it: each ends the loan, and then lets the checkout find its connection dead. */
const overtakings: readonly {
  readonly when: string
  readonly options?: Options
  readonly overtake: (pool: QueuePool<GatedConnection>, driver: GatedDriver) => void | Promise<void>
}[] = [
  {
    when: 'while it is pinged, and the ping then finds it closed',
    options: { prePing: true },
    async overtake(pool, driver) {
      await driver.reached('ping')
      await firstRecord(pool).invalidate(somebody)
      await driver.release('ping')
    },
  },
  {
    when: 'while it is pinged, and the ping then fails',
    options: { prePing: true },
    async overtake(pool, driver) {
      await driver.reached('ping')
      await firstRecord(pool).invalidate(somebody)
      await driver.release('ping', new DisconnectionError('dead'))
    },
  },
  {
    when: 'while a listener looks at it that then refuses it',
    overtake(pool) {
      pool.once('checkout', async (_connection, record) => {
        await record.invalidate(somebody)
        throw new DisconnectionError('dead')
      })
    },
  },
  {
    when: 'while listeners are told that it was found dead',
    overtake(pool) {
      pool.once('checkout', () => Promise.reject(new DisconnectionError('dead')))
      pool.once('invalidate', (_connection, record) => record.invalidate(somebody))
    },
  },
]

describe('a checkout whose record somebody invalidates', () => {
  it.each(overtakings)('$when, gives a dead fairy, and its place is home (218, 219)', async ({ options, overtake }) => {
    const { pool, driver } = gatedPool({ ...single, ...options })
    await (await pool.connect()).close()
    driver.next('ping', 'slow')
    const overtaken = overtake(pool, driver)
    const fairy = await pool.connect()
    await overtaken
    expect([fairy.isValid, driver.open, countsOf(pool)]).toEqual([false, 0, [1, 1, 0, 0]])
    await fairy.close()
    const next = await pool.connect()
    expect([next.number, next.isValid, countsOf(pool)]).toEqual([2, true, [1, 0, 0, 1]])
  })
})

describe.each(places)('a checkout whose record somebody invalidates, $where', place => {
  it.each(overtakings)('$when, costs no place', async ({ options, overtake }) => {
    const { pool, driver, user } = await place.visit({ ...single, ...options })
    await (await user.connect()).close()
    await soon(pool).toEqual([1, 1, 0, 0])
    driver.next('ping', 'slow')
    const overtaken = overtake(pool, driver)
    // Dead on arrival, or, where the thread is offered it, another one.
    await (await user.connect().catch(() => undefined))?.close()
    await overtaken
    await soon(pool).toEqual([1, 1, 0, 0])
    const next = await user.connect()
    expect([next.number, await next.isValid(), countsOf(pool)]).toEqual([2, true, [1, 0, 0, 1]])
  })

  it.each(['close', 'open'] as const)(
    'while what was found dead is replaced, at its %s, goes on: there is no connection (219)',
    async step => {
      const { pool, driver, user } = await place.visit(single)
      await (await user.connect()).close()
      await soon(pool).toEqual([1, 1, 0, 0])
      pool.once('checkout', () => Promise.reject(new DisconnectionError('dead')))
      driver.next(step, 'slow')
      const connecting = user.connect()
      await driver.reached(step)
      await firstRecord(pool).invalidate(somebody)
      await driver.release(step)
      const held = await connecting
      expect([held.number, await held.isValid(), countsOf(pool)]).toEqual([2, true, [1, 0, 0, 1]])
    },
  )
})

it('a place that another has taken when a thread is told of its dead loan there stays with the other', async () => {
  const { pool, user } = await places[1]!.visit(single)
  const own: GatedFairy[] = []
  pool.once('checkout', async (_connection, record) => {
    await record.invalidate(somebody)
    own.push(await pool.connect())
  })
  const connecting = user.connect()
  // What the thread was offered was dead, so it waits.
  await waiters(pool, 1)
  await eventually(() => pool.slots.waiters).toBe(1)
  pool.serveWaiters()
  expect([own[0]?.isValid, countsOf(pool)]).toEqual([true, [1, 0, 0, 1]])
  await own[0]?.close()
  expect((await connecting).number).toBe(2)
})
