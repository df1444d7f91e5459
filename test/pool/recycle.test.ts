import { describe, expect, it } from 'vitest'
import { fakeTime, pass } from '../support/fake-time.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { countsOf, failureOf } from '../support/observe.ts'

fakeTime()

describe('a connection that has grown old', () => {
  it('is replaced at its next checkout when strictly older than recycleMs, counted from its open (157, 158)', async () => {
    const { pool } = gatedPool({ recycleMs: 30_000 })
    await (await pool.connect()).close()
    await pass(15_000)
    await (await pool.connect()).close()
    await pass(15_000)
    const exact = await pool.connect()
    expect(exact.number).toBe(1)
    await exact.close()
    await pass(1)
    expect((await pool.connect()).number).toBe(2)
  })

  it('stays open while idle, and is not touched while in use (20, 159)', async () => {
    const { pool, driver } = gatedPool({ recycleMs: 1000 })
    const [used, idle] = [await pool.connect(), await pool.connect()]
    await idle.close()
    await pass(100_000)
    expect(driver.open).toBe(2)
    await used.query('x')
    expect([used.number, driver.open]).toEqual([1, 2])
    await used.close()
    expect(driver.open).toBe(2)
  })

  it('is closed, reopened in its place and told of: close, connect, checkout; no invalidate, no firstConnect (110, 150)', async () => {
    const { pool, driver } = gatedPool({ recycleMs: 1000 })
    driver.listen(pool)
    const old = await pool.connect()
    old.info!.set('colour', 'red')
    old.recordInfo!.set('place', 7)
    const seen: unknown[] = []
    pool.on('close', (_connection, record) => seen.push(['close', record.info.get('colour')]))
    pool.on('connect', (_connection, record) => seen.push(['connect', record.info.get('colour')]))
    await old.close()
    driver.take()
    await pass(1001)
    const fresh = await pool.connect()
    expect(driver.take()).toEqual(['on close 1', 'close 1', 'open 2', 'on connect 2', 'on checkout 2'])
    // Its facts are there when it is closed, and gone when the next is opened; those of the place stay (161, 236, 239).
    expect(seen).toEqual([
      ['close', 'red'],
      ['connect', undefined],
    ])
    expect(fresh.recordInfo!.get('place')).toBe(7)
  })

  it('starts its age anew (161)', async () => {
    const { pool } = gatedPool({ recycleMs: 1000 })
    await (await pool.connect()).close()
    await pass(1001)
    await (await pool.connect()).close()
    await pass(1000)
    expect((await pool.connect()).number).toBe(2)
  })

  it('that can not be replaced has been closed all the same; the place is empty and home (162)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, recycleMs: 1000 })
    await (await pool.connect()).close()
    await pass(1001)
    driver.listen(pool)
    driver.take()
    driver.next('open', 'fails')
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'open 2 fails' })
    expect(driver.take()).toEqual(['on close 1', 'close 1', 'open 2', 'on checkin -'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await pool.connect()).number).toBe(3)
  })

  it('that took longer to open than recycleMs is replaced at once, when its place is new (105, 108)', async () => {
    const { pool, driver } = gatedPool({ recycleMs: 1000 })
    driver.listen(pool)
    driver.next('open', 'slow')
    const connecting = pool.connect()
    await driver.reached('open')
    await pass(1001)
    await driver.release('open')
    expect((await connecting).number).toBe(2)
    expect(driver.take()).toEqual([
      'open 1',
      'on firstConnect 1',
      'on connect 1',
      'on close 1',
      'close 1',
      'open 2',
      'on connect 2',
      'on checkout 2',
    ])
  })

  it('that took longer in a reopen is lent once, and replaced after that (109)', async () => {
    const { pool, driver } = gatedPool({ recycleMs: 1000 })
    await (await pool.connect()).invalidate()
    driver.next('open', 'slow')
    const connecting = pool.connect()
    await driver.reached('open')
    await pass(1001)
    await driver.release('open')
    const old = await connecting
    expect(old.number).toBe(2)
    await old.close()
    expect((await pool.connect()).number).toBe(3)
  })

  it('is replaced at every checkout with recycleMs 0, as soon as any time has passed (7, 160)', async () => {
    const { pool } = gatedPool({ recycleMs: 0 })
    const numbers: number[] = []
    for (let i = 0; i < 3; i++) {
      await pass(1)
      numbers.push(await pool.use(connection => connection.number))
    }
    expect(numbers).toEqual([1, 2, 3])
  })

  it('is never replaced with recycleMs -1 (7)', async () => {
    const { pool } = gatedPool({ recycleMs: -1 })
    await (await pool.connect()).close()
    await pass(2 ** 31 - 1)
    expect((await pool.connect()).number).toBe(1)
  })

  it('is not looked at by a nested checkout (164)', async () => {
    const { pool } = gatedPool({ recycleMs: 1000, useThreadlocal: true })
    const outer = await pool.connect()
    await pass(2000)
    expect((await pool.connect()).number).toBe(1)
    expect(outer.isValid).toBe(true)
  })
})
