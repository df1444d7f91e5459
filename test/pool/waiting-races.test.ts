import { describe, expect, it } from 'vitest'
import { fakeTime, pass } from '../support/fake-time.ts'
import { gatedPool, take } from '../support/gated-pool.ts'
import { countsOf, failureOf, settle, stateOf } from '../support/observe.ts'

fakeTime()

describe('a caller who leaves', () => {
  it('in the very tick in which it is served leaves the connection to the next (48, 58)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, resetOnReturn: 'none' })
    const [fairy] = await take(pool, 1)
    const controller = new AbortController()
    const leaving = failureOf(pool.connect({ signal: controller.signal }))
    const staying = pool.connect()
    const closing = fairy!.close()
    controller.abort('left')
    expect(await leaving).toBe('left')
    await closing
    expect((await staying).number).toBe(1)
    await (await staying).close()
    expect([countsOf(pool), driver.opened]).toEqual([[1, 1, 0, 0], 1])
  })

  it('while its connection opens is let go at once; the connection, once open, serves the next (47)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    driver.listen(pool, 'checkout', 'checkin', 'close')
    driver.next('open', 'slow')
    const controller = new AbortController()
    const leaving = pool.connect({ signal: controller.signal })
    const waiting = pool.connect()
    await driver.reached('open')
    controller.abort('left')
    expect(await failureOf(leaving)).toBe('left')
    expect(await stateOf(waiting)).toBe('pending')
    await driver.release('open')
    expect((await waiting).number).toBe(1)
    expect(driver.take()).toEqual(['open 1', 'on checkout 1'])
  })

  it('while its connection opens, with nobody waiting: the connection comes home, and is lent next', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, timeoutMs: 100, connectTimeoutMs: 1000 })
    driver.next('open', 'slow')
    const failure = failureOf(pool.connect())
    await pass(100)
    expect(await failure).toMatchObject({ phase: 'connect' })
    expect(countsOf(pool)).toEqual([1, 0, 0, 1])
    await driver.release('open')
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await pool.connect()).number).toBe(1)
  })

  it('while its connection opens, which then fails: the place is free, and nobody hears of it', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, timeoutMs: 100, connectTimeoutMs: 1000 })
    driver.next('open', 'slow')
    const failure = failureOf(pool.connect())
    await pass(100)
    await failure
    const waiting = pool.connect()
    await driver.release('open', new Error('refused'))
    expect((await waiting).number).toBe(2)
  })

  it('during the ping: the connection may hang, and is replaced (168)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, prePing: true, timeoutMs: 100 })
    await (await pool.connect()).close()
    driver.next('ping', 'never')
    const failure = failureOf(pool.connect())
    const waiting = pool.connect({ timeoutMs: null })
    await pass(100)
    expect(await failure).toMatchObject({ phase: 'ping', timeoutMs: 100 })
    expect((await waiting).number).toBe(2)
    expect(driver.open).toBe(1)
  })

  it('during the checkout listeners: the place is free again (216)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, timeoutMs: 100 })
    pool.once('checkout', () => new Promise(() => {}))
    const failure = failureOf(pool.connect())
    await settle()
    await pass(100)
    expect(await failure).toMatchObject({ phase: 'checkout' })
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await pool.connect()).number).toBe(2)
    expect(driver.open).toBe(1)
  })
})

describe('many callers with little patience', () => {
  it('leave every count at rest, whoever of them was served (38, 48)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2, maxOverflow: 1, timeoutMs: 50 })
    driver.set('open', 'slow')
    const served: number[] = []
    const callers = Array.from({ length: 30 }, async (_, i) => {
      const controller = new AbortController()
      if (i % 3 === 0) setTimeout(() => controller.abort('left'), 10 + i)
      try {
        await pool.use(
          async connection => {
            served.push(connection.number)
            await settle(1 + (i % 4))
            if (i % 5 === 0) await connection.invalidate()
          },
          { signal: controller.signal },
        )
      } catch {}
    })
    let over = false
    const all = Promise.all(callers).then(() => {
      over = true
    })
    for (let i = 0; !over; i++) {
      await pass(5)
      if (driver.waitingAt('open') > 0) await driver.release('open', i % 4 === 0 ? new Error('refused') : undefined)
    }
    await all
    while (driver.waitingAt('open') > 0) await driver.release('open')
    await settle()
    expect(served.length).toBeGreaterThan(0)
    expect(pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
    expect(driver.open).toBeLessThanOrEqual(2)
    driver.set('open', 'ok')
    expect((await take(pool, 3)).length).toBe(3)
  })
})
