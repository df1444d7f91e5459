import { describe, expect, it } from 'vitest'
import { TimeoutError } from '../../src/base/errors.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import type { GatedPool } from '../support/gated-pool.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { collectUntil, countsOf, failureOf, stateOf } from '../support/observe.ts'

fakeTime()

const localPool = (options = {}): GatedPool => gatedPool({ useThreadlocal: true, ...options })

describe('nested checkouts of a thread', () => {
  it('share one fairy: no checkout event for the inner ones, and the outermost close gives back (17, 191)', async () => {
    const { pool, driver } = localPool()
    driver.listen(pool, 'checkout', 'checkin')
    const [outer, inner] = [await pool.connect(), await pool.connect()]
    expect(inner).toBe(outer)
    await inner.close()
    expect([outer.isValid, driver.take()]).toEqual([true, ['open 1', 'on checkout 1']])
    await outer.close()
    expect([outer.isValid, driver.take()]).toEqual([false, ['rollback 1', 'on checkin 1']])
  })

  it('are separate without useThreadlocal (17)', async () => {
    const { pool } = gatedPool()
    expect(await pool.connect()).not.toBe(await pool.connect())
  })

  it('begin anew after the close, maybe with the same connection (194)', async () => {
    const { pool } = localPool()
    const first = await pool.connect()
    await first.close()
    const second = await pool.connect()
    expect(second).not.toBe(first)
    expect([second.number, second.isValid, first.isValid]).toEqual([1, true, false])
  })

  it('are counted, not tracked: two closes of one variable give back what another still holds (193)', async () => {
    const { pool } = localPool()
    const [a, b] = [await pool.connect(), await pool.connect()]
    await a.close()
    await a.close()
    expect([b.isValid, countsOf(pool)]).toEqual([false, [5, 1, -4, 0]])
    await b.close()
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })

  it('open, open, close, open, close: one more close is due (193)', async () => {
    const { pool } = localPool()
    const fairy = await pool.connect()
    await pool.connect()
    await fairy.close()
    await pool.connect()
    await fairy.close()
    expect(fairy.isValid).toBe(true)
    await fairy.close()
    expect(fairy.isValid).toBe(false)
  })

  it('join the first one while it is still under way: one connection is opened', async () => {
    const { pool, driver } = localPool()
    driver.next('open', 'slow')
    const both = [pool.connect(), pool.connect()]
    await driver.reached('open')
    expect(driver.opened).toBe(1)
    await driver.release('open')
    const [a, b] = await Promise.all(both)
    expect(a).toBe(b)
    await a!.close()
    expect(b!.isValid).toBe(true)
    await b!.close()
    expect(b!.isValid).toBe(false)
  })

  it('fail together when the one under way fails, each with its error; the next begins anew', async () => {
    const { pool, driver } = localPool()
    driver.next('open', 'fails')
    const failures = await Promise.all([failureOf(pool.connect()), failureOf(pool.connect())])
    expect(failures).toMatchObject([{ message: 'open 1 fails' }, { message: 'open 1 fails' }])
    expect((await pool.connect()).number).toBe(2)
  })

  it('have each their own patience: one that leaves takes nobody along', async () => {
    const { pool, driver } = localPool({ poolSize: 1, maxOverflow: 0 })
    driver.next('open', 'slow')
    const controller = new AbortController()
    const beginner = failureOf(pool.connect({ signal: controller.signal }))
    const joined = pool.connect()
    const hasty = failureOf(pool.connect({ timeoutMs: 50 }))
    await driver.reached('open')
    await pass(50)
    expect(await hasty).toBeInstanceOf(TimeoutError)
    controller.abort('left')
    expect(await beginner).toBe('left')
    expect(await stateOf(joined)).toBe('pending')
    await driver.release('open')
    expect((await joined).number).toBe(1)
  })

  it('are not found any more once the user has dropped the fairy: the next is a new checkout (192)', async () => {
    const { pool } = localPool()
    const drop = async (): Promise<void> => void (await pool.connect())
    await drop()
    await collectUntil(() => pool.status().checkedout === 0)
    const next = await pool.connect()
    await next.close()
    expect([next.isValid, countsOf(pool)]).toEqual([false, [5, 1, -4, 0]])
  })
})

describe('the checkout that a thread finds again', () => {
  it('is forgotten by a hard invalidation: all its users are ended, the next is new (138, 198)', async () => {
    const { pool } = localPool()
    const [outer, inner] = [await pool.connect(), await pool.connect()]
    await outer.invalidate()
    const next = await pool.connect()
    expect([next.number, outer.isValid, inner.isValid]).toEqual([2, false, false])
    await inner.close()
    await outer.close()
    expect(await pool.connect()).toBe(next)
  })

  it('is forgotten by a detach: the next is a new checkout, not the detached one (200, 203)', async () => {
    const { pool } = localPool()
    const detached = await pool.connect()
    await detached.detach()
    const next = await pool.connect()
    expect([next.number, detached.isValid]).toEqual([2, true])
    await detached.close()
    expect(await pool.connect()).toBe(next)
  })

  it('is forgotten when it is broken by a call, or from the record', async () => {
    const { pool } = localPool()
    let invalidate = (): Promise<void> => Promise.resolve()
    pool.on('checkout', (_c, record) => {
      invalidate = () => record.invalidate()
    })
    await pool.connect()
    await invalidate()
    expect((await pool.connect()).number).toBe(2)
  })

  it('is not touched by a uniqueConnection: that is another checkout, and its close clears nothing (18, 197, 203)', async () => {
    const { pool } = localPool()
    const local = await pool.connect()
    const unique = await pool.uniqueConnection()
    expect(unique).not.toBe(local)
    expect(await pool.connect()).toBe(local)
    await unique.close()
    expect(await pool.connect()).toBe(local)
    expect(countsOf(pool)).toEqual([5, 1, -3, 1])
  })

  it('is not cleared by the late close of one that came before it (203)', async () => {
    const { pool } = localPool()
    const old = await pool.connect()
    await old.invalidate()
    const present = await pool.connect()
    await old.close()
    expect(await pool.connect()).toBe(present)
  })

  it('is not found by a caller who comes while its last close is under way: that one gets a new checkout', async () => {
    const { pool, driver } = localPool()
    const fairy = await pool.connect()
    driver.next('rollback', 'slow')
    const closing = fairy.close()
    const next = await pool.connect()
    expect(next.number).toBe(2)
    await driver.release('rollback')
    await closing
    expect(next.isValid).toBe(true)
  })

  it('is each pool’s own, and a recreated pool has one too (201)', async () => {
    const { pool } = localPool()
    const fairy = await pool.connect()
    const other = pool.recreate()
    const theirs = await other.connect()
    expect(theirs).not.toBe(fairy)
    expect(await other.connect()).toBe(theirs)
  })
})
