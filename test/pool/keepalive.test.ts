import { describe, expect, it } from 'vitest'
import { fakeTime, pass } from '../support/fake-time.ts'
import { gatedPool, take } from '../support/gated-pool.ts'
import { countsOf, settle, stateOf } from '../support/observe.ts'

fakeTime()

const keepaliveMs = 1000

describe('with keepaliveMs,', () => {
  it('what is idle is pinged each time it has been silent for so long', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, keepaliveMs })
    await (await pool.connect()).close()
    driver.take()
    await pass(keepaliveMs - 1)
    expect(driver.take()).toEqual([])
    await pass(1 + keepaliveMs / 10)
    expect(driver.take()).toEqual(['ping 1'])
    await pass(10 * keepaliveMs)
    expect(driver.take()).toHaveLength(10)
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('the order among the idle stays as it was, and what is out is not pinged', async () => {
    const { pool, driver } = gatedPool({ poolSize: 3, keepaliveMs })
    const [a, b, held] = await take(pool, 3)
    await b!.close()
    await pass(10)
    await a!.close()
    driver.take()
    await pass(1.2 * keepaliveMs)
    expect(driver.take().sort()).toEqual(['ping 1', 'ping 2'])
    expect([(await pool.connect()).number, (await pool.connect()).number, held!.isValid]).toEqual([2, 1, true])
  })

  it('no more than half of the idle are pinged at a time: somebody who comes finds one', async () => {
    const { pool, driver } = gatedPool({ poolSize: 4, maxOverflow: 0, keepaliveMs })
    for (const fairy of await take(pool, 4)) await fairy.close()
    driver.set('ping', 'slow')
    await pass(1.2 * keepaliveMs)
    expect(driver.waitingAt('ping')).toBe(2)
    const held = await pool.connect({ timeoutMs: 0 })
    for (let i = 0; i < 3; i++) {
      await driver.release('ping')
      await pass(1)
    }
    expect(driver.waitingAt('ping')).toBe(0)
    await held.close()
    expect([driver.opened, countsOf(pool)]).toEqual([4, [4, 4, 0, 0]])
  })

  it('nobody is lent what is being pinged; who waits gets it as soon as it has answered', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, keepaliveMs })
    await (await pool.connect()).close()
    driver.next('ping', 'slow')
    await pass(1.1 * keepaliveMs)
    const waiting = pool.connect()
    expect(await stateOf(waiting)).toBe('pending')
    await driver.release('ping')
    expect((await waiting).number).toBe(1)
  })

  it.each(['fails', 'closed', 'never'] as const)(
    'one that does not answer (%s) is closed, told of, and its place is free',
    async how => {
      const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, keepaliveMs, resetTimeoutMs: 300 })
      driver.listen(pool, 'invalidate', 'close')
      const fairy = await pool.connect()
      const { connection } = fairy
      await fairy.close()
      driver.take()
      if (how === 'closed') connection!.state = 'closed'
      else driver.next('ping', how)
      await pass(1.1 * keepaliveMs)
      const waiting = pool.connect()
      await pass(300)
      expect((await waiting).number).toBe(2)
      const said = {
        fails: 'ping 1 fails',
        closed: 'It did not answer a ping.',
        never: 'It did not answer a ping in time.',
      }
      expect(driver.take()).toEqual(['ping 1', `on invalidate 1 (${said[how]})`, 'on close 1', 'close 1', 'open 2'])
    },
  )

  it('others are not suspected because of it, and a listener that fails costs nothing', async () => {
    const { pool, driver, logger } = gatedPool({ poolSize: 3, keepaliveMs })
    for (const fairy of await take(pool, 3)) await fairy.close()
    pool.on('invalidate', () => Promise.reject(new Error('listener')))
    driver.next('ping', 'fails')
    await pass(1.5 * keepaliveMs)
    expect([driver.open, countsOf(pool)]).toEqual([2, [3, 2, -1, 0]])
    expect(logger.lines).toEqual(['error: fairypool.QueuePool: an invalidate listener failed.'])
  })

  it.each([
    ['invalidated', (pool: ReturnType<typeof gatedPool>['pool']) => [...pool.records][0]!.invalidate()],
    [
      'softly invalidated',
      (pool: ReturnType<typeof gatedPool>['pool']) => [...pool.records][0]!.invalidate(0, { soft: true }),
    ],
    ['closed', (pool: ReturnType<typeof gatedPool>['pool']) => [...pool.records][0]!.close()],
    ['condemned with its pool', (pool: ReturnType<typeof gatedPool>['pool']) => pool.invalidate()],
    ['disposed of', (pool: ReturnType<typeof gatedPool>['pool']) => pool.dispose()],
  ])('one that is %s while it is pinged is closed after that, and never lent again', async (_how, act) => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, keepaliveMs })
    await (await pool.connect()).close()
    driver.next('ping', 'slow')
    await pass(1.1 * keepaliveMs)
    await act(pool)
    await driver.release('ping')
    await settle()
    expect([driver.open, (await pool.connect()).number]).toEqual([0, 2])
  })
})
