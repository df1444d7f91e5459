import { describe, expect, it } from 'vitest'
import { gatedPool, numbersOf, take } from '../support/gated-pool.ts'
import { countsOf, failureOf, settle } from '../support/observe.ts'

class Disconnected extends Error {}

/** A pool whose dialect takes every `Disconnected` for the end of its connection. */
const fragilePool = (): ReturnType<typeof gatedPool> =>
  gatedPool(driver => ({
    dialect: driver.dialect({ isDisconnect: error => error instanceof Disconnected }),
  }))

describe('an invalidation of the whole pool', () => {
  it('closes the reporter’s connection at once, and no other: idle ones are replaced when next lent (146, 149, 150)', async () => {
    const { pool, driver } = gatedPool()
    const [reporter, idle] = await take(pool, 2)
    await idle!.close()
    driver.listen(pool)
    driver.take()
    await pool.invalidate(reporter, new Error('down'))
    expect(driver.take()).toEqual(['on invalidate 1 (down)', 'on close 1', 'close 1', 'on checkin -'])
    expect(reporter!.isValid).toBe(false)
    await pool.connect()
    expect(driver.take()).toEqual(['on close 2', 'close 2', 'open 3', 'on connect 3', 'on checkout 3'])
  })

  it('lets those in use go on; they come home as always, and are replaced when next lent (149, 151)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1 })
    const fairy = await pool.connect()
    await pool.invalidate()
    expect([fairy.isValid, (await fairy.query('x')).number]).toEqual([true, 1])
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['rollback 1'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await pool.connect()).number).toBe(2)
  })

  it('counts once for a generation: late reports about it leave the recovered connections alone (147)', async () => {
    const { pool } = gatedPool()
    const [a, b, c] = await take(pool, 3)
    await pool.invalidate(a)
    const recovered = await pool.connect()
    await recovered.close()
    await pool.invalidate(b)
    await pool.invalidate(c)
    const again = await pool.connect()
    expect(again.number).toBe(4)
  })

  it('is not moved by reports of the dead: closed, invalidated and repeated ones are judged by their generation (148)', async () => {
    const { pool } = gatedPool()
    const [a, b] = await take(pool, 2)
    await b!.close()
    await pool.invalidate(a)
    const recovered = await pool.connect()
    await recovered.close()
    await pool.invalidate(a)
    await pool.invalidate(b)
    expect(numbersOf(await take(pool, 2))).toEqual([4, 3])
  })

  it('by nobody in particular condemns all there is (146)', async () => {
    const { pool } = gatedPool({ poolSize: 2 })
    for (const fairy of await take(pool, 2)) await fairy.close()
    await pool.invalidate()
    const fairies = await take(pool, 2)
    expect(numbersOf(fairies)).toEqual([3, 4])
    for (const fairy of fairies) await fairy.close()
    await pool.invalidate()
    expect(numbersOf(await take(pool, 2))).toEqual([5, 6])
  })

  it('condemns also what was opened in the same instant, and nothing that is opened after it (107, 152)', async () => {
    const { pool } = gatedPool()
    const fairy = await pool.connect()
    void pool.invalidate()
    const after = await pool.connect()
    await fairy.close()
    await after.close()
    expect(numbersOf(await take(pool, 2))).toEqual([3, 2])
  })

  it('condemns a connection whose open is under way: on a new place it is replaced before it is lent (108, 152)', async () => {
    const { pool, driver } = gatedPool()
    driver.next('open', 'slow')
    const connecting = pool.connect()
    await driver.reached('open')
    await pool.invalidate()
    await driver.release('open')
    expect((await connecting).number).toBe(2)
    expect(driver.connections.map(({ state }) => state)).toEqual(['closed', 'open'])
  })

  it('during a reopen: the connection is lent once, and replaced after that (109)', async () => {
    const { pool, driver } = gatedPool()
    await (await pool.connect()).invalidate()
    driver.next('open', 'slow')
    const connecting = pool.connect()
    await driver.reached('open')
    await pool.invalidate()
    await driver.release('open')
    const fairy = await connecting
    expect(fairy.number).toBe(2)
    await fairy.close()
    expect((await pool.connect()).number).toBe(3)
  })

  it('by a detached fairy ends that fairy, and its connection is closed (230)', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    await fairy.detach()
    driver.listen(pool)
    driver.take()
    await pool.invalidate(fairy)
    expect(driver.take()).toEqual(['on closeDetached 1', 'close 1'])
    expect(fairy.isValid).toBe(false)
  })

  it('starts anew in a recreated pool (145, 250)', async () => {
    const { pool } = gatedPool()
    await pool.invalidate()
    const other = pool.recreate()
    await (await other.connect()).close()
    expect((await other.connect()).number).toBe(1)
  })
})

describe('a call that finds its connection gone', () => {
  it('reports for all: its own connection is closed, those of its age are replaced when next lent (21)', async () => {
    const { pool, driver } = fragilePool()
    const [a, b] = await take(pool, 2)
    await b!.close()
    driver.set('call', 'slow')
    const failure = failureOf(a!.query('x'))
    await driver.release('call', new Disconnected('gone'))
    expect(await failure).toBeInstanceOf(Disconnected)
    await settle()
    expect(a!.isValid).toBe(false)
    expect(driver.connections[0]!.state).toBe('closed')
    await a!.close()
    expect(numbersOf(await take(pool, 2))).toEqual([3, 4])
  })

  it('and is closed at once by its user: one invalidate, one close, one checkin (21, 134)', async () => {
    const { pool, driver } = fragilePool()
    driver.listen(pool)
    driver.set('call', 'slow')
    const work = failureOf(pool.use(connection => connection.query('x')))
    await driver.reached('call')
    driver.take()
    await driver.release('call', new Disconnected('gone'))
    expect(await work).toBeInstanceOf(Disconnected)
    await settle()
    expect(driver.take()).toEqual(['on invalidate 1 (gone)', 'on close 1', 'close 1', 'on checkin -'])
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })

  it('says nothing about others when it fails otherwise', async () => {
    const { pool, driver } = fragilePool()
    const [a, b] = await take(pool, 2)
    await b!.close()
    driver.next('call', 'fails')
    await failureOf(a!.query('x'))
    expect(a!.isValid).toBe(true)
    await a!.close()
    expect(numbersOf(await take(pool, 2))).toEqual([2, 1])
  })

  it('is reported by 15 users at once: 15 closes, 15 reopens, none twice (156)', async () => {
    const { pool, driver } = fragilePool()
    const fairies = await take(pool, 15)
    driver.set('call', 'slow')
    driver.set('close', 'slow')
    const failures = fairies.map(fairy => failureOf(fairy.query('x')))
    for (let i = 0; i < 15; i++) await driver.release('call', new Disconnected('gone'))
    await Promise.all(failures)
    const closes = fairies.map(fairy => fairy.close())
    for (let i = 0; i < 15; i++) await driver.release('close')
    await Promise.all(closes)
    await settle()
    const closed = driver.log.filter(line => line.startsWith('close '))
    expect([closed.length, new Set(closed).size]).toEqual([15, 15])
    driver.set('close', 'ok')
    const again = await take(pool, 15)
    expect(driver.opened).toBe(30)
    for (const fairy of again) await fairy.close()
    expect(countsOf(pool)).toEqual([5, 5, 0, 0])
    // And what was opened after the recovery is left alone.
    expect((await pool.connect()).number).toBeGreaterThan(15)
    expect(driver.opened).toBe(30)
  })
})
