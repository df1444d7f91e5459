import { describe, expect, it } from 'vitest'
import { ArgumentError, InvalidRequestError } from '../../src/base/errors.ts'
import { gatedPool, take } from '../support/gated-pool.ts'
import { countsOf, failureOf, settle } from '../support/observe.ts'

describe('the events of a life', () => {
  it('come in this order: first checkout, close, next checkout, surplus close, dispose (257)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 1 })
    driver.listen(pool)
    const [a] = await take(pool, 1)
    expect(driver.take()).toEqual(['open 1', 'on firstConnect 1', 'on connect 1', 'on checkout 1'])
    await a!.close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1', 'on checkin 1'])
    const [again, surplus] = await take(pool, 2)
    expect(driver.take()).toEqual(['on checkout 1', 'open 2', 'on connect 2', 'on checkout 2'])
    await again!.close()
    driver.take()
    await surplus!.close()
    expect(driver.take()).toEqual(['on reset 2', 'rollback 2', 'on checkin 2', 'on close 2', 'close 2'])
    await pool.dispose()
    expect(driver.take()).toEqual(['on close 1', 'close 1'])
  })

  it('are one connect for an open, and as many checkins as checkouts but for those detached (267, 269)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1 })
    driver.listen(pool)
    for (let i = 0; i < 3; i++) await (await pool.connect()).close()
    await (await pool.connect()).invalidate()
    const detached = await pool.connect()
    await detached.detach()
    await detached.close()
    const count = (event: string): number => driver.log.filter(line => line.startsWith(`on ${event} `)).length
    expect([count('connect'), count('checkout'), count('checkin')]).toEqual([2, 5, 4])
    expect([count('close'), count('closeDetached'), count('detach')]).toEqual([1, 1, 1])
  })

  it('have an invalidate for explicit and automatic invalidations only (268)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 1 })
    driver.listen(pool, 'invalidate')
    const fairies = await take(pool, 2)
    for (const fairy of fairies) await fairy.close()
    await pool.invalidate()
    await (await pool.connect()).close()
    await pool.dispose()
    expect(driver.take().filter(line => line.startsWith('on '))).toEqual([])
  })
})

describe('firstConnect', () => {
  it('is told once, before connect, while others that open wait for it to end (258)', async () => {
    const { pool, driver } = gatedPool()
    driver.listen(pool, 'connect')
    let finish = (): void => {}
    pool.on('firstConnect', connection => {
      driver.note(`first begins ${connection.number}`)
      return new Promise<void>(resolve => {
        finish = () => {
          driver.note('first ends')
          resolve()
        }
      })
    })
    const both = [pool.connect(), pool.connect()]
    await settle()
    expect(driver.take()).toEqual(['open 1', 'open 2', 'first begins 1'])
    finish()
    await Promise.all(both)
    expect(driver.take()).toEqual(['first ends', 'on connect 1', 'on connect 2'])
    await pool.connect()
    expect(driver.take()).toEqual(['open 3', 'on connect 3'])
  })

  it('that fails: its error to the caller, no connect event, and the next new connection tries again (259)', async () => {
    const { pool, driver } = gatedPool()
    driver.listen(pool, 'firstConnect', 'connect', 'close')
    pool.once('firstConnect', () => Promise.reject(new Error('first')))
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'first' })
    expect(driver.take()).toEqual(['open 1', 'on firstConnect 1', 'close 1'])
    await pool.connect()
    expect(driver.take()).toEqual(['open 2', 'on firstConnect 2', 'on connect 2'])
    expect(countsOf(pool)).toEqual([5, 0, -4, 1])
  })

  it('that fails lets those who waited for it try themselves, one after the other (258, 259)', async () => {
    const { pool, driver } = gatedPool()
    let left = 2
    pool.on('firstConnect', async connection => {
      driver.note(`first ${connection.number}`)
      await settle(1)
      if (left-- > 0) throw new Error(`first ${connection.number} fails`)
    })
    const outcomes = await Promise.allSettled([pool.connect(), pool.connect(), pool.connect(), pool.connect()])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled'])
    expect(driver.log.filter(line => line.startsWith('first'))).toEqual(['first 1', 'first 2', 'first 3'])
  })
})

describe('listeners', () => {
  it('of the options come first, in their order, then those added later (13)', async () => {
    const { pool, driver } = gatedPool(driver => ({
      events: [
        [() => driver.note('a'), 'connect'],
        [() => driver.note('b'), 'connect'],
      ],
    }))
    pool.on('connect', () => driver.note('c'))
    await pool.connect()
    expect(driver.take()).toEqual(['open 1', 'a', 'b', 'c'])
  })

  it('can be put before the others, be called once, and count once for each event (262)', async () => {
    const { pool, driver } = gatedPool()
    const twice = (): void => driver.note('twice')
    pool.on('checkout', () => driver.note('normal'))
    pool.on('checkout', () => driver.note('inserted'), { insert: true })
    pool.once('checkout', () => driver.note('once'))
    pool.on('checkout', twice)
    pool.on('checkout', twice)
    await (await pool.connect()).close()
    expect(driver.take()).toEqual(['open 1', 'inserted', 'normal', 'once', 'twice', 'rollback 1'])
    await pool.connect()
    expect(driver.take()).toEqual(['inserted', 'normal', 'twice'])
  })

  it('that are to be called once are gone after the first call even if that failed (262)', async () => {
    const { pool } = gatedPool()
    pool.once('checkout', () => Promise.reject(new Error('once')))
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'once' })
    expect((await pool.connect()).isValid).toBe(true)
  })

  it('are not called any more after one of them has failed (260)', async () => {
    const { pool, driver } = gatedPool()
    pool.once('connect', () => Promise.reject(new Error('first')))
    pool.on('connect', () => driver.note('second'))
    await failureOf(pool.connect())
    expect(driver.log).not.toContain('second')
  })

  it('can come and go at any time, for connections that exist already (263)', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    const listener = (): void => driver.note('checkin')
    pool.on('checkin', listener)
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['rollback 1', 'checkin'])
    pool.off('checkin', listener)
    await (await pool.connect()).close()
    expect(driver.take()).toEqual(['rollback 1'])
    pool.off('checkin', listener)
  })

  it('are awaited, one after another', async () => {
    const { pool, driver } = gatedPool()
    pool.on('connect', async () => {
      await settle(2)
      driver.note('slow')
    })
    pool.on('connect', () => driver.note('quick'))
    await pool.connect()
    expect(driver.take()).toEqual(['open 1', 'slow', 'quick'])
  })

  it('are refused for events that do not exist, with the names of those that do, and when they are none (262)', () => {
    const pool = gatedPool().pool as unknown as { on(event: string, listener: unknown): void }
    expect(() => pool.on('conect', () => {})).toThrow(InvalidRequestError)
    expect(() => pool.on('conect', () => {})).toThrow(/no event 'conect'. It has firstConnect, connect, checkout/)
    expect(() => pool.on('toString', () => {})).toThrow(InvalidRequestError)
    expect(() => pool.on('connect', 'listener')).toThrow(ArgumentError)
  })
})

describe('a checkin listener that fails', () => {
  it('fails the closer, and the connection is home all the same (39, 285)', async () => {
    const { pool } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const fairy = await pool.connect()
    pool.once('checkin', () => Promise.reject(new Error('checkin')))
    expect(await failureOf(fairy.close())).toMatchObject({ message: 'checkin' })
    expect([fairy.isValid, countsOf(pool)]).toEqual([false, [1, 1, 0, 0]])
    expect((await pool.connect({ timeoutMs: 0 })).number).toBe(1)
  })

  it('fails who invalidates, and the place is home all the same (285)', async () => {
    const { pool } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const fairy = await pool.connect()
    pool.once('checkin', () => Promise.reject(new Error('checkin')))
    expect(await failureOf(fairy.invalidate())).toMatchObject({ message: 'checkin' })
    expect([fairy.isValid, countsOf(pool)]).toEqual([false, [1, 1, 0, 0]])
  })

  it('in a checkout that failed takes the place of its error; the place is home all the same (285)', async () => {
    const { pool } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    pool.once('checkout', () => Promise.reject(new Error('the reason')))
    pool.once('checkin', () => Promise.reject(new Error('checkin')))
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'checkin' })
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await pool.connect({ timeoutMs: 0 })).number).toBe(2)
  })
})
