import { describe, expect, it } from 'vitest'
import { countsOf } from '../support/observe.ts'
import { allPlaces, failing, places, soon, waiters } from '../support/places.ts'
import { hold } from '../support/pool-user.ts'
import { full } from '../support/waiting-line.ts'

describe.each(allPlaces)('$where', place => {
  it('a caller gets what is idle, else something new, else it waits, and is handed what comes home (41)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 1 })
    await (await user.connect()).close()
    await soon(pool).toEqual([1, 1, 0, 0])
    const idle = await user.connect()
    const created = await user.connect()
    expect([idle.number, created.number]).toEqual([1, 2])
    const waited = user.connect()
    await waiters(pool, 1)
    await idle.close()
    expect((await waited).number).toBe(1)
    expect(driver.opened).toBe(2)
  })

  it('nobody times out before the time, and who has leaves no trace (42, 48)', async () => {
    const { pool, driver, user, held } = await full(place)
    const elapsed = await user.do(async pool => {
      const started = performance.now()
      await pool.connect({ timeoutMs: 25 }).catch(() => {})
      return performance.now() - started
    })
    expect(elapsed).toBeGreaterThanOrEqual(25)
    await waiters(pool, 0)
    expect(countsOf(pool)).toEqual([1, 0, 0, 1])
    expect(driver.log).toEqual(['open 1'])
    await held.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    expect((await user.connect()).number).toBe(1)
  })

  it('the deadline covers the open too, which goes on and serves the next (43, 47)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0 })
    driver.next('open', 'slow')
    const failure = await failing(user.connect({ timeoutMs: 25 }))
    expect(failure).toMatchObject({ code: 'FAIRYPOOL_TIMEOUT', fields: { phase: 'connect', timeoutMs: 25 } })
    const next = user.connect()
    await driver.release('open')
    expect((await next).number).toBe(1)
    expect([driver.opened, countsOf(pool)]).toEqual([1, [1, 0, 0, 1]])
  })

  it('who waits is counted, whatever is opened meanwhile for one who has left or for one who would not wait (45, 47)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2, maxOverflow: 0, timeoutMs: null })
    driver.set('open', 'slow')
    const controller = new AbortController()
    const leaving = failing(user.connect({ signal: controller.signal }))
    await driver.reached('open')
    controller.abort(new Error('left'))
    expect(await leaving).toMatchObject({ message: 'left' })
    const now = user.connect({ timeoutMs: 0 })
    await driver.reached('open', 2)
    expect(pool.status().waiting).toBe(0)
    const [one, two] = [user.connect(), user.connect()]
    await waiters(pool, 2)
    await driver.release('open')
    expect((await one).number).toBe(1)
    await waiters(pool, 1)
    await driver.release('open')
    expect((await now).number).toBe(2)
    await (await now).close()
    expect((await two).number).toBe(2)
    expect(pool.status().waiting).toBe(0)
  })

  it('one that is overtaken by nobody still waits no longer than its own time (44)', async () => {
    const { pool, user, held } = await full(place)
    const hopeless = failing(user.connect({ timeoutMs: 40 }))
    // Behind it, and still there when its time is up.
    const other = user.connect()
    expect(await hopeless).toMatchObject({ code: 'FAIRYPOOL_TIMEOUT', fields: { timeoutMs: 40 } })
    await waiters(pool, 1)
    await held.close()
    expect((await other).number).toBe(1)
  })

  it('a caller waits for ever with timeout null, not at all with 0, and a negative one is refused (45)', async () => {
    const { pool, driver, user, held } = await full(place)
    const waiting = user.connect()
    const patient = user.connect({ timeoutMs: null })
    await waiters(pool, 2)
    expect(await failing(user.connect({ timeoutMs: 0 }))).toMatchObject({ code: 'FAIRYPOOL_TIMEOUT' })
    expect(await failing(user.connect({ timeoutMs: -1 }))).toMatchObject({ code: 'FAIRYPOOL_ARGUMENT' })
    await held.close()
    await (await waiting).close()
    expect((await patient).number).toBe(1)
    expect(driver.opened).toBe(1)
  })

  it('with timeout 0 a free place is still opened, for as long as that takes (45, 47)', async () => {
    const { driver, user } = await place.visit({ poolSize: 1 })
    driver.next('open', 'slow')
    const opening = user.connect({ timeoutMs: 0 })
    await driver.release('open')
    expect((await opening).number).toBe(1)
  })

  it('a TimeoutError says how full the pool was, and who held what (46)', async () => {
    const { user } = await full(place, 2)
    const failure = await failing(user.connect({ timeoutMs: 20 }))
    expect(failure).toMatchObject({ class: 'TimeoutError', code: 'FAIRYPOOL_TIMEOUT' })
    const facts = { phase: 'wait', timeoutMs: 20, total: 2, idle: 0, leased: 2, waiting: 1 }
    const holders = Array(2).fill({ threadId: await user.threadId(), use: 'connect' })
    expect(failure.fields).toMatchObject({ ...facts, holders })
    expect(failure.message).toContain('2 of 2 connections are out, 1 callers wait')
  })

  it.each([
    [false, [1, 2, 3, 1]],
    [true, [3, 3, 2, 1]],
  ])(
    'of those that are idle the one that came home first is taken, or last with useLifo %s (57)',
    async (useLifo, order) => {
      const { pool, user } = await place.visit({ poolSize: 3, useLifo })
      const held = await hold(user, 3)
      for (const [i, holding] of held.entries()) {
        await holding.close()
        await soon(pool).toEqual([3, i + 1, 0, 2 - i])
      }
      const first = await user.connect()
      await first.close()
      await soon(pool).toEqual([3, 3, 0, 0])
      const next = await hold(user, 3)
      expect([first, ...next].map(({ number }) => number)).toEqual(order)
    },
  )
})

describe.each(places)('$where', place => {
  it('a connect listener may connect itself where there is a place; of firstConnect it is told at once (59)', async () => {
    const { pool, user } = await place.visit({ poolSize: 2, maxOverflow: 0 })
    const nested: number[] = []
    pool.once('connect', () => pool.use(fairy => void nested.push(fairy.number)))
    expect([(await user.connect()).number, nested]).toEqual([1, [2]])

    const again = await place.visit()
    again.pool.once('firstConnect', () => again.pool.connect())
    expect(await failing(again.user.connect())).toMatchObject({ class: 'InvalidRequestError' })
    expect(countsOf(again.pool)).toEqual([5, 0, -5, 0])
  })
})
