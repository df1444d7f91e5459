import { describe, expect, it } from 'vitest'
import { QueueFullError } from '../../src/base/errors.ts'
import { eventually } from '../support/eventually.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { countsOf, failureOf } from '../support/observe.ts'
import { allPlaces, failing, waiters } from '../support/places.ts'
import { hold } from '../support/pool-user.ts'
import { full, line } from '../support/waiting-line.ts'

describe.each(allPlaces)('with maxWaiters, $where,', place => {
  it('fault 22: so many may wait, the next is refused at once, and the others are served as ever', async () => {
    const visit = await full(place, 1, { maxWaiters: 2 })
    const { holdings } = await line(visit, 2)
    expect(await failing(visit.user.connect())).toMatchObject({
      class: 'QueueFullError',
      code: 'FAIRYPOOL_QUEUE_FULL',
      message: 'connect() was refused: 2 callers wait for a connection already, and maxWaiters is 2.',
      fields: { waiting: 2, maxWaiters: 2 },
    })
    expect(visit.pool.status().waiting).toBe(2)
    await visit.held.close()
    const first = await holdings[0]!
    const third = visit.user.connect()
    await waiters(visit.pool, 2)
    await first.close()
    for (const holding of [holdings[1]!, third]) await (await holding).close()
    await eventually(() => countsOf(visit.pool)).toEqual([1, 1, 0, 0])
  })

  it('0: nobody waits for a place, but who gets one may wait until it is opened', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2, maxOverflow: 0, maxWaiters: 0 })
    driver.next('open', 'slow', 'slow')
    const both = [user.connect(), user.connect()]
    await driver.reached('open', 2)
    const third = failing(user.connect())
    expect(await third).toMatchObject({ code: 'FAIRYPOOL_QUEUE_FULL', fields: { waiting: 0 } })
    for (let i = 0; i < 2; i++) await driver.release('open')
    const held = await Promise.all(both)
    expect(await failing(user.connect())).toMatchObject({ code: 'FAIRYPOOL_QUEUE_FULL' })
    for (const holding of held) await holding.close()
    await eventually(() => countsOf(pool)).toEqual([2, 2, 0, 0])
    expect((await hold(user, 2)).length).toBe(2)
  })

  it('a crowd that comes at once is cut to what may wait', async () => {
    const { pool, user } = await place.visit({ poolSize: 3, maxOverflow: 0, maxWaiters: 4, timeoutMs: null })
    const outcome = await user.do(async pool => {
      const uses = Array.from({ length: 20 }, () =>
        pool
          .use(conn => conn.query('select 1'))
          .then(
            () => 'served',
            (error: { code: string }) => error.code,
          ),
      )
      const ends = await Promise.all(uses)
      return [ends.filter(end => end === 'served').length, ends.filter(end => end === 'FAIRYPOOL_QUEUE_FULL').length]
    })
    expect(outcome[0]! + outcome[1]!).toBe(20)
    expect(outcome[0]).toBe(7)
    expect(pool.status().waiting).toBe(0)
  })

  it('who leaves makes room', async () => {
    const visit = await full(place, 1, { maxWaiters: 1 })
    const leaving = new AbortController()
    const left = visit.user.connect({ signal: leaving.signal })
    await waiters(visit.pool, 1)
    expect(await failing(visit.user.connect())).toMatchObject({ class: 'QueueFullError' })
    leaving.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    await waiters(visit.pool, 0)
    const next = visit.user.connect()
    await waiters(visit.pool, 1)
    await visit.held.close()
    expect((await next).number).toBe(1)
  })

  it('statements of query() count, and are refused, as callers are', async () => {
    const visit = await full(place, 1, { maxWaiters: 1 })
    const { pool, user } = visit
    const asked = user.do(pool => pool.query('select 1'))
    await waiters(pool, 1)
    expect(await failing(user.do(pool => pool.query('select 2')))).toMatchObject({
      class: 'QueueFullError',
      message: expect.stringMatching(/^query\(\) was refused: 1 callers wait/),
    })
    expect(await failing(user.connect())).toMatchObject({ class: 'QueueFullError' })
    await visit.held.close()
    expect(await asked).toMatchObject({ text: 'select 1' })
    expect(await user.do(pool => pool.query('select 3'))).toMatchObject({ text: 'select 3' })
  })

  it('while the pool is suspended, free places do not count', async () => {
    const { pool, user } = await place.visit({ poolSize: 5, maxWaiters: 1 })
    await (await user.connect()).close()
    pool.suspend()
    const waiting = user.connect()
    await waiters(pool, 1)
    expect(await failing(user.connect())).toMatchObject({ message: expect.stringMatching(/The pool is suspended/) })
    pool.resume()
    expect((await waiting).number).toBe(1)
  })
})

describe('maxWaiters', () => {
  it('counts the callers of all threads together', async () => {
    const [here, there] = allPlaces
    const visit = await full(here!, 1, { maxWaiters: 2 })
    const guest = await there!.userOf(visit.pool)
    const mine = visit.user.connect()
    await waiters(visit.pool, 1)
    const theirs = guest.connect()
    await waiters(visit.pool, 2)
    for (const user of [guest, visit.user]) {
      expect(await failing(user.connect())).toMatchObject({ class: 'QueueFullError', fields: { waiting: 2 } })
      expect(await failing(user.do(pool => pool.query('x')))).toMatchObject({ class: 'QueueFullError' })
    }
    await visit.held.close()
    const first = await Promise.race([mine, theirs])
    await first.close()
    await Promise.all([mine, theirs])
  })

  it('has nothing to do with who will not wait, nor with a pool without limit', async () => {
    const { pool } = gatedPool({ poolSize: 1, maxOverflow: 0, maxWaiters: 0 })
    const held = await pool.connect()
    expect(await failureOf(pool.connect({ timeoutMs: 0 }))).toMatchObject({ code: 'FAIRYPOOL_TIMEOUT' })
    expect(await failureOf(pool.connect())).toBeInstanceOf(QueueFullError)
    await held.close()
    const unlimited = gatedPool({ poolSize: 1, maxOverflow: -1, maxWaiters: 0 })
    expect(await Promise.all(Array.from({ length: 40 }, () => unlimited.pool.connect()))).toHaveLength(40)
  })
})
