import { describe, expect, it } from 'vitest'
import { countsOf } from '../support/observe.ts'
import { age, allPlaces, failing, firstRecord, soon } from '../support/places.ts'
import { hold } from '../support/pool-user.ts'

describe.each(allPlaces)('$where', place => {
  it('the counts go as in the example: size 3, no limit (23-25, 31)', async () => {
    const { pool, user } = await place.visit({ poolSize: 3, maxOverflow: -1 })
    const seen = [countsOf(pool)]
    const held = []
    for (let i = 0; i < 6; i++) {
      held.push(await user.connect())
      seen.push(countsOf(pool))
    }
    expect(seen.map(([, ...counts]) => counts)).toEqual([
      [0, -3, 0],
      [0, -2, 1],
      [0, -1, 2],
      [0, 0, 3],
      [0, 1, 4],
      [0, 2, 5],
      [0, 3, 6],
    ])
    for (const holding of held.slice(0, 3)) await holding.close()
    await soon(pool).toEqual([3, 3, 3, 3])
    for (const holding of held.slice(3)) await holding.close()
    await soon(pool).toEqual([3, 3, 0, 0])
    await hold(user, 2)
    expect(countsOf(pool)).toEqual([3, 1, 0, 2])
  })

  it('five are kept, and there are at most ten more, unless told otherwise (22)', async () => {
    const { pool, driver, user } = await place.visit()
    const held = await hold(user, 15)
    expect(await failing(user.connect({ timeoutMs: 0 }))).toMatchObject({ code: 'FAIRYPOOL_TIMEOUT' })
    await Promise.all(held.map(each => each.close()))
    await soon(pool).toEqual([5, 5, 0, 0])
    expect([driver.opened, driver.open]).toEqual([15, 5])
  })

  it('a connection counts from before its open, as out and against the limit (26)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0 })
    driver.next('open', 'slow')
    const first = user.connect()
    await driver.reached('open')
    expect(countsOf(pool)).toEqual([1, 0, 0, 1])
    expect(await failing(user.connect({ timeoutMs: 0 }))).toMatchObject({ code: 'FAIRYPOOL_TIMEOUT' })
    await driver.release('open')
    expect((await first).number).toBe(1)
    expect(countsOf(pool)).toEqual([1, 0, 0, 1])
  })

  it('a failed open gives its place back, whoever failed, and nothing is kept (27)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2 })
    driver.next('open', 'fails')
    expect(await failing(user.connect())).toMatchObject({ name: 'GateError', message: 'open 1 fails' })
    expect(countsOf(pool)).toEqual([2, 0, -2, 0])
    pool.once('connect', () => Promise.reject(new TypeError('not this one')))
    expect(await failing(user.connect())).toMatchObject({ class: 'TypeError', message: 'not this one' })
    expect(countsOf(pool)).toEqual([2, 0, -2, 0])
    expect(driver.open).toBe(0)
  })

  it('a failed reopen keeps its place, empty and good for the next (28)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2 })
    await (await user.connect()).invalidate()
    driver.next('open', 'fails')
    expect(await failing(user.connect())).toMatchObject({ message: 'open 2 fails' })
    expect(countsOf(pool)).toEqual([2, 1, -1, 0])
    expect((await user.connect()).number).toBe(3)
    expect(countsOf(pool)).toEqual([2, 0, -1, 1])
  })

  it('what is at home is preferred to something new, an emptied place too (29)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 3 })
    const [a, b] = await hold(user, 2)
    await a!.close()
    await soon(pool).toEqual([3, 1, -1, 1])
    expect((await user.connect()).number).toBe(1)
    await b!.invalidate()
    expect((await user.connect()).number).toBe(3)
    expect(countsOf(pool)).toEqual([3, 0, -1, 2])
    expect(driver.opened).toBe(3)
  })

  it('who comes home to enough idle ones is closed, whoever was opened beyond the size (30)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2, maxOverflow: 1 })
    const [a, b, c] = await hold(user, 3)
    await c!.close()
    await b!.close()
    await soon(pool).toEqual([2, 2, 1, 1])
    await a!.close()
    await soon(pool).toEqual([2, 2, 0, 0])
    expect(driver.connections.map(({ state }) => state)).toEqual(['closed', 'open', 'open'])
  })

  it.each([
    [0, 2],
    [1, 3],
  ])('with maxOverflow %i and a size of 2 there are never more than %i (31)', async (maxOverflow, most) => {
    const { driver, user } = await place.visit({ poolSize: 2, maxOverflow })
    await hold(user, most)
    const failure = await failing(user.connect({ timeoutMs: 0 }))
    expect(failure).toMatchObject({ code: 'FAIRYPOOL_TIMEOUT', fields: { phase: 'wait', leased: most } })
    expect(driver.opened).toBe(most)
  })

  it('without a limit the counts are exact too, whatever fails meanwhile (32)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2, maxOverflow: -1 })
    driver.next('open', 'slow', 'fails', 'ok', 'fails', 'slow', 'ok', 'fails', 'ok')
    const asked = Array.from({ length: 8 }, () => user.connect().catch(() => undefined))
    await driver.reached('open', 2)
    await driver.release('open', new Error('refused'))
    await driver.release('open')
    const held = (await Promise.all(asked)).filter(each => each !== undefined)
    expect(held).toHaveLength(4)
    expect(countsOf(pool)).toEqual([2, 0, 2, 4])
    await Promise.all(held.map(each => each.close()))
    await soon(pool).toEqual([2, 2, 0, 0])
    expect(driver.open).toBe(2)
  })

  it('with poolSize 0 there is no limit, all are kept, and none is beyond the size (34, 35)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 0, maxOverflow: 0 })
    const held = await hold(user, 20)
    expect(countsOf(pool)).toEqual([0, 0, 0, 20])
    await Promise.all(held.map(each => each.close()))
    await soon(pool).toEqual([0, 20, 0, 0])
    expect(driver.open).toBe(20)
  })

  it('the counts survive invalidation, detach, and a surplus connection that will not close (38)', async () => {
    const { pool, driver, logger, user } = await place.visit({ poolSize: 1, maxOverflow: 2 })
    const [a, b, c] = await hold(user, 3)
    await a!.invalidate()
    expect(countsOf(pool)).toEqual([1, 1, 2, 2])
    await b!.detach()
    expect(countsOf(pool)).toEqual([1, 1, 1, 1])
    driver.next('close', 'fails')
    await c!.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    expect(logger.lines).toEqual([expect.stringMatching(/^error: .*closing a connection failed/)])
  })

  it('the counts survive a dispose with connections out, and a checkin listener or callback that fails (39)', async () => {
    const { pool, user } = await place.visit({ poolSize: 2, maxOverflow: 0 })
    const [a, b] = await hold(user, 2)
    await user.do(pool => pool.dispose())
    expect(countsOf(pool)).toEqual([2, 0, 0, 2])
    await a!.close()
    await soon(pool).toEqual([2, 0, -1, 1])
    pool.once('checkin', () => Promise.reject(new Error('listener')))
    expect(await failing(b!.close())).toMatchObject({ message: 'listener' })
    expect(countsOf(pool)).toEqual([2, 0, -2, 0])
    const c = await user.connect()
    firstRecord(pool).finalizeCallback(() => Promise.reject(new Error('callback')))
    await c.close()
    await soon(pool).toEqual([2, 1, -1, 0])
  })

  it('the status is one line of decimal integers, in the order of old (40)', async () => {
    const { user } = await place.visit({ poolSize: 3 })
    await user.connect()
    const line = await user.do(async pool => `${await pool.status()}`)
    expect(line.match(/-?\d+/g)).toEqual(['3', '0', '-2', '1', '0'])
    expect(line).toMatch(/^poolSize.*checkedin.*overflow.*checkedout.*waiting/)
  })

  it('the counts survive the replacement of what has grown old, and one that fails (38)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2, recycleMs: 30_000 })
    await (await user.connect()).close()
    await soon(pool).toEqual([2, 1, -1, 0])
    age(pool, 30_001)
    driver.next('open', 'fails')
    expect(await failing(user.connect())).toMatchObject({ message: 'open 2 fails' })
    expect(countsOf(pool)).toEqual([2, 1, -1, 0])
    expect([(await user.connect()).number, driver.open]).toEqual([3, 1])
  })
})

describe.each(allPlaces)('$where, beside callers of the coordinator', place => {
  it.each([0, 5])('40 callers are never more than the limit, maxOverflow %i (37)', async maxOverflow => {
    const { pool, driver, user } = await place.visit({ poolSize: 3, maxOverflow })
    let [peak, openPeak] = [-3, 0]
    pool.on('connect', () => {
      peak = Math.max(peak, pool.status().overflow)
      openPeak = Math.max(openPeak, driver.open)
    })
    const there = user.do(async pool => {
      const caller = async (): Promise<void> => {
        for (let round = 0; round < 5; round++) await pool.use(async fairy => void (await fairy.query('there')))
      }
      await Promise.all(Array.from({ length: 20 }, caller))
    })
    const caller = async (): Promise<void> => {
      for (let round = 0; round < 5; round++) await pool.use(async fairy => void (await fairy.query('here')))
    }
    await Promise.all([there, ...Array.from({ length: 20 }, caller)])
    expect([peak, openPeak]).toEqual([maxOverflow, 3 + maxOverflow])
    await soon(pool).toEqual([3, 3, 0, 0])
    expect([driver.open, pool.status().waiting]).toEqual([3, 0])
  })
})
