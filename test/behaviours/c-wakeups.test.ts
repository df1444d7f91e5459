import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import type { GatedFairy } from '../support/gated-pool.ts'
import { countsOf } from '../support/observe.ts'
import { allPlaces, failing, places, soon, waiters } from '../support/places.ts'
import { type Holding, hold } from '../support/pool-user.ts'
import { full, line } from '../support/waiting-line.ts'

describe.each(allPlaces)('$where', place => {
  it('one return serves one waiter, in the order of their arrival (49)', async () => {
    const visit = await full(place)
    const { served, holdings } = await line(visit, 4)
    let held = visit.held
    for (const [i, holding] of holdings.entries()) {
      await held.close()
      held = await holding
      expect(served).toEqual([0, 1, 2, 3].slice(0, i + 1))
      expect(visit.pool.status().waiting).toBe(3 - i)
    }
    expect([held.number, visit.driver.opened]).toEqual([1, 1])
  })

  it('a waiter is not overtaken by who closes and connects at once (50)', async () => {
    const { pool, user, held } = await full(place)
    const elder = user.connect()
    await waiters(pool, 1)
    const closing = held.close()
    const barger = user.connect()
    await closing
    const served = await elder
    await waiters(pool, 1)
    await served.close()
    expect((await barger).number).toBe(1)
  })

  it('a waiter of the coordinator is not overtaken by who closes and connects in one breath (50)', async () => {
    const { pool, user } = await place.visit({ poolSize: 1, maxOverflow: 0, timeoutMs: null })
    await user.do(async pool => void Object.assign(globalThis, { held: await pool.connect() }))
    const elder = pool.connect()
    await waiters(pool, 1)
    const barger = user.do(async pool => {
      const { held } = globalThis as unknown as { held: GatedFairy }
      void held.close()
      return (await pool.connect()).isValid
    })
    const served = await elder
    expect(served.number).toBe(1)
    await waiters(pool, 1)
    await served.close()
    expect(await barger).toBe(true)
  })

  it('an invalidation, a detach and a failed reopen serve a waiter (51)', async () => {
    const visit = await full(place)
    const { driver, held } = visit
    const { holdings } = await line(visit, 4)
    await held.invalidate()
    const first = await holdings[0]!
    expect(first.number).toBe(2)
    await first.detach()
    const second = await holdings[1]!
    expect(second.number).toBe(3)
    driver.next('open', 'fails')
    const third = failing(holdings[2]!)
    await second.invalidate()
    expect(await third).toMatchObject({ message: 'open 4 fails' })
    expect((await holdings[3]!).number).toBe(5)
  })

  it('a waiter is served at once when who has the last place can not open, or please a listener (52, 53)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0, timeoutMs: null })
    driver.next('open', 'slow')
    const failed = failing(user.connect())
    await driver.reached('open')
    const next = user.connect()
    await waiters(pool, 1)
    await driver.release('open', new Error('refused'))
    expect(await failed).toMatchObject({ message: 'refused' })
    const held = await next
    expect(held.number).toBe(2)
    pool.once('connect', () => Promise.reject(new Error('not this one')))
    const [refused, last] = [failing(user.connect()), user.connect()]
    await waiters(pool, 2)
    await held.detach()
    expect(await refused).toMatchObject({ message: 'not this one' })
    expect((await last).number).toBe(4)
  })

  it('a waiter reopens an emptied place itself: a failure is its own, and the next tries again (54)', async () => {
    const visit = await full(place)
    const { pool, driver, held } = visit
    const { holdings } = await line(visit, 3)
    driver.next('open', 'fails')
    const unlucky = failing(holdings[0]!)
    await held.invalidate()
    expect(await unlucky).toMatchObject({ message: 'open 2 fails' })
    const second = await holdings[1]!
    await second.close()
    const third = await holdings[2]!
    expect([second.number, third.number, driver.opened]).toEqual([3, 3, 3])
    expect(countsOf(pool)).toEqual([1, 0, 0, 1])
  })

  it('an invalidated connection is reopened once, and all who wait have it in turn (55)', async () => {
    const visit = await full(place)
    const { holdings } = await line(visit, 3)
    await visit.held.invalidate()
    const numbers = holdings.map(async holding => {
      const held = await holding
      await held.close()
      return held.number
    })
    expect(await Promise.all(numbers)).toEqual([2, 2, 2])
    expect(visit.driver.opened).toBe(2)
  })

  it('waiters stay with their pool when it is disposed or recreated, and get what it gets back (53, 56)', async () => {
    const { pool, driver, user, held } = await full(place)
    const waiting = user.connect()
    await waiters(pool, 1)
    const other = pool.recreate()
    await user.do(pool => pool.dispose())
    expect(pool.status().waiting).toBe(1)
    await held.close()
    expect((await waiting).number).toBe(2)
    expect([countsOf(pool), countsOf(other), driver.open]).toEqual([[1, 0, 0, 1], [1, 0, -1, 0], 1])
  })

  it('a dispose that frees a place serves who waits for one (53)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0, timeoutMs: null })
    await (await user.connect()).close()
    await soon(pool).toEqual([1, 1, 0, 0])
    driver.next('close', 'slow')
    const disposing = user.do(pool => pool.dispose())
    await driver.reached('close')
    const waiting = user.connect()
    await waiters(pool, 1)
    await driver.release('close')
    await disposing
    expect((await waiting).number).toBe(2)
  })

  it('which of them useLifo takes is nothing to those who wait: they are served as they came (49)', async () => {
    const visit = await place.visit({ poolSize: 1, maxOverflow: 0, timeoutMs: null, useLifo: true })
    const [held] = await hold(visit.user, 1)
    const { served, holdings } = await line(visit, 3)
    await held!.close()
    for (const holding of holdings) await (await holding).close()
    expect(served).toEqual([0, 1, 2])
  })
})

describe.each(places)('$where', place => {
  it('a connection that comes home in the midst of an open serves one who waits, and nobody twice (58)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2, maxOverflow: 0, timeoutMs: null })
    const first = await user.connect()
    driver.next('open', 'slow')
    const opening = user.connect()
    await driver.reached('open')
    const waiting = user.connect()
    await waiters(pool, 1)
    await first.close()
    // In a worker it is the elder's, for whom the other is being opened: callers of a thread are served as they came.
    let served: Holding | undefined
    for (const each of [opening, waiting]) {
      each.then(
        holding => {
          served ??= holding
        },
        () => {},
      )
    }
    await eventually(() => served?.number).toBe(1)
    await driver.release('open')
    const held = await Promise.all([opening, waiting])
    expect(held.map(({ number }) => number).sort()).toEqual([1, 2])
    expect([driver.opened, countsOf(pool)]).toEqual([2, [2, 0, 0, 2]])
  })

  it('the same of two who have come at once: one place opens and opens, the other comes home (2, 49)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2, maxOverflow: 0, timeoutMs: null })
    const first = await user.connect()
    driver.next('open', 'slow')
    const served: number[] = []
    const both = [user.connect(), user.connect()].map(async connecting => served.push((await connecting).number))
    await driver.reached('open')
    await first.close()
    await eventually(() => served).toEqual([1])
    await driver.release('open')
    await Promise.all(both)
    expect([served, countsOf(pool)]).toEqual([
      [1, 2],
      [2, 0, 0, 2],
    ])
  })
})
