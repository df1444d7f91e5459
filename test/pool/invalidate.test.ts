import { describe, expect, it, vi } from 'vitest'
import { gatedPool, take } from '../support/gated-pool.ts'
import { countsOf, failureOf, settle, watchWarnings } from '../support/observe.ts'

describe('a hard invalidation', () => {
  it('closes the connection at once: invalidate, close, driver close, checkin; never a reset (114, 133, 257)', async () => {
    const { pool, driver } = gatedPool()
    driver.listen(pool)
    const fairy = await pool.connect()
    driver.take()
    await fairy.invalidate(new Error('broken'))
    expect(driver.take()).toEqual(['on invalidate 1 (broken)', 'on close 1', 'close 1', 'on checkin -'])
    expect([fairy.isValid, fairy.connection]).toEqual([false, undefined])
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })

  it('passes its error on to the listeners as it is, and throws it at nobody (137)', async () => {
    const { pool } = gatedPool()
    const listener = vi.fn()
    pool.on('invalidate', listener)
    const fairy = await pool.connect()
    const { connection } = fairy
    const error = { any: 'thing' }
    await fairy.invalidate(error)
    expect(listener.mock.calls[0]).toEqual([connection, expect.anything(), error])
    expect(listener.mock.calls[0]![2]).toBe(error)
    await (await pool.connect()).invalidate()
    expect(listener.mock.calls[1]![2]).toBeUndefined()
  })

  it('leaves close() nothing to do, and warns who invalidates again (134, 135)', async () => {
    const warnings = watchWarnings()
    const { pool, driver } = gatedPool()
    driver.listen(pool)
    const fairy = await pool.connect()
    await fairy.invalidate()
    driver.take()
    await fairy.close()
    expect(warnings).toEqual([])
    await fairy.invalidate()
    await fairy.invalidate(undefined, { soft: true })
    expect(warnings).toEqual(['FAIRYPOOL_DEAD_FAIRY', 'FAIRYPOOL_DEAD_FAIRY'])
    expect(driver.take()).toEqual([])
  })

  it('ends the checkout for all its nested users (138)', async () => {
    const { pool, driver } = gatedPool({ useThreadlocal: true })
    const [outer, inner] = [await pool.connect(), await pool.connect()]
    await inner.invalidate()
    expect([outer.isValid, inner.isValid]).toEqual([false, false])
    await inner.close()
    await outer.close()
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
    expect(driver.log.filter(line => line === 'close 1')).toHaveLength(1)
  })

  it('may be asked for while another is under way: one event, one close, one checkin (156)', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    pool.on('invalidate', () => settle(2))
    driver.listen(pool)
    driver.take()
    await Promise.all([fairy.invalidate(), fairy.invalidate()])
    expect(driver.take()).toEqual(['on invalidate 1 (undefined)', 'on close 1', 'close 1', 'on checkin -'])
  })

  it('is not undone by a close() meanwhile: a connection that is being invalidated never comes home alive (134)', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    pool.on('invalidate', () => settle(2))
    driver.listen(pool)
    driver.take()
    await Promise.all([fairy.invalidate(), fairy.close()])
    expect(driver.take()).toEqual(['on invalidate 1 (undefined)', 'on close 1', 'close 1', 'on checkin -'])
    expect((await pool.connect()).number).toBe(2)
  })

  it('does not happen when a listener refuses it: the connection stays lent and good, and its close is normal (287)', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    pool.once('invalidate', () => Promise.reject(new Error('no')))
    driver.listen(pool)
    driver.take()
    expect(await failureOf(fairy.invalidate())).toMatchObject({ message: 'no' })
    expect([fairy.isValid, countsOf(pool)]).toEqual([true, [5, 0, -4, 1]])
    await fairy.close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1', 'on checkin 1'])
    expect(driver.open).toBe(1)
  })

  it('is done even when a close listener or the driver will not close: both are only logged (290, 291)', async () => {
    const { pool, driver, logger } = gatedPool()
    const fairy = await pool.connect()
    pool.on('close', () => Promise.reject(new Error('listener')))
    driver.next('close', 'fails')
    await fairy.invalidate()
    expect(logger.errors.map(error => (error as Error).message)).toEqual(['listener', 'close 1 fails'])
    expect([fairy.isValid, countsOf(pool)]).toEqual([false, [5, 1, -4, 0]])
  })
})

describe("a record's own invalidation", () => {
  it('of an idle connection leaves its place home and empty (115)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1 })
    let invalidate = (): Promise<void> => Promise.resolve()
    pool.on('connect', (_connection, record) => {
      invalidate = () => record.invalidate(new Error('from afar'))
    })
    await (await pool.connect()).close()
    driver.listen(pool, 'invalidate', 'close', 'checkin')
    driver.take()
    await invalidate()
    expect(driver.take()).toEqual(['on invalidate 1 (from afar)', 'on close 1', 'close 1'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    // Of an empty one it does nothing (113).
    await invalidate()
    expect(driver.take()).toEqual([])
    expect((await pool.connect()).number).toBe(2)
  })

  it('of an idle connection keeps it from being lent meanwhile', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const fairy = await pool.connect()
    let invalidate = (): Promise<void> => Promise.resolve()
    pool.once('checkin', (_connection, record) => {
      invalidate = () => record.invalidate()
    })
    await fairy.close()
    driver.next('close', 'slow')
    const invalidating = invalidate()
    await driver.reached('close')
    const waiting = pool.connect()
    await settle()
    expect(driver.opened).toBe(1)
    await driver.release('close')
    await invalidating
    expect((await waiting).number).toBe(2)
  })

  it('of a lent one closes it once; after the fairy’s close the place is home, and reopened when next lent (119)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const records: { invalidate(): Promise<void> }[] = []
    pool.on('checkout', (_connection, record) => records.push(record))
    const fairy = await pool.connect()
    driver.listen(pool, 'invalidate', 'close', 'checkin')
    driver.take()
    await records[0]!.invalidate()
    await fairy.close()
    expect(driver.take()).toEqual(['on invalidate 1 (undefined)', 'on close 1', 'close 1', 'on checkin -'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await pool.connect()).number).toBe(2)
  })
})

describe('a soft invalidation', () => {
  it('leaves the fairy usable; its close is normal, and the connection is replaced at its next checkout (116, 136)', async () => {
    const { pool, driver } = gatedPool()
    driver.listen(pool)
    const fairy = await pool.connect()
    await fairy.invalidate(new Error('tired'), { soft: true })
    driver.take()
    expect([fairy.isValid, (await fairy.query('x')).number]).toEqual([true, 1])
    await fairy.close()
    expect(driver.take()).toEqual(['call 1', 'on reset 1', 'rollback 1', 'on checkin 1'])
    await pool.connect()
    expect(driver.take()).toEqual(['on close 1', 'close 1', 'open 2', 'on connect 2', 'on checkout 2'])
  })

  it('is told of each time, with its error, and counts once (116, 117)', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    driver.listen(pool, 'softInvalidate')
    driver.take()
    await fairy.invalidate(new Error('a'), { soft: true })
    await fairy.invalidate(undefined, { soft: true })
    expect(driver.take()).toEqual(['on softInvalidate 1 (a)', 'on softInvalidate 1 (undefined)'])
    await fairy.close()
    await (await pool.connect()).close()
    expect((await pool.connect()).number).toBe(2)
  })

  it('and then a hard one before the return: both events, then closed as by the hard one (118)', async () => {
    const { pool, driver } = gatedPool()
    driver.listen(pool)
    const fairy = await pool.connect()
    driver.take()
    await fairy.invalidate('soft', { soft: true })
    await fairy.invalidate('hard')
    expect(driver.take()).toEqual([
      'on softInvalidate 1 (soft)',
      'on invalidate 1 (hard)',
      'on close 1',
      'close 1',
      'on checkin -',
    ])
  })

  it('leaves no mark when a listener refuses it (289)', async () => {
    const { pool } = gatedPool()
    const fairy = await pool.connect()
    pool.once('softInvalidate', () => Promise.reject(new Error('no')))
    expect(await failureOf(fairy.invalidate(undefined, { soft: true }))).toMatchObject({ message: 'no' })
    await fairy.close()
    expect((await pool.connect()).number).toBe(1)
  })

  it('is still known after the checkout phase of nested users: they go on with the same connection (199)', async () => {
    const { pool } = gatedPool({ useThreadlocal: true })
    const outer = await pool.connect()
    await outer.invalidate(undefined, { soft: true })
    const inner = await pool.connect()
    expect(inner).toBe(outer)
    await inner.close()
    expect(outer.isValid).toBe(true)
    await outer.close()
    expect((await pool.connect()).number).toBe(2)
  })
})

describe('a connection that the driver itself knows to be lost', () => {
  it('is replaced when it is about to be lent, and when it comes home (watch)', async () => {
    const lost = new Map<number, () => void>()
    const { pool, driver, logger } = gatedPool(driver => ({
      poolSize: 1,
      dialect: driver.dialect({ watch: (connection, tell) => lost.set(connection.number, tell) }),
    }))
    const [first] = await take(pool, 1)
    await first!.close()
    lost.get(1)!()
    const second = await pool.connect()
    expect(second.number).toBe(2)
    driver.listen(pool, 'invalidate', 'checkin')
    lost.get(2)!()
    driver.take()
    await second.close()
    expect(driver.take()).toEqual([
      'on invalidate 2 (The connection was lost while it was out.)',
      'close 2',
      'on checkin -',
    ])
    expect(logger.lines).toHaveLength(1)
  })
})
