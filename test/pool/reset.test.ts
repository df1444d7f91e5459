import { describe, expect, it } from 'vitest'
import { fakeTime, pass } from '../support/fake-time.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { countsOf, settle, stateOf } from '../support/observe.ts'

fakeTime()

describe('a connection that comes home', () => {
  it.each([
    ['rollback', ['on reset 1', 'rollback 1', 'on checkin 1']],
    ['commit', ['on reset 1', 'commit 1', 'on checkin 1']],
    ['none', ['on reset 1', 'on checkin 1']],
  ] as const)('is reset once, told of in every mode: %s (177, 178, 257)', async (resetOnReturn, steps) => {
    const { pool, driver } = gatedPool({ resetOnReturn })
    driver.listen(pool)
    const fairy = await pool.connect()
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(steps)
  })

  it('is reset without a listener too (178)', async () => {
    const { pool, driver } = gatedPool()
    await (await pool.connect()).close()
    expect(driver.take()).toEqual(['open 1', 'rollback 1'])
  })

  it('is not reset when the driver says that no transaction is open, but the event is told', async () => {
    const open = new Set<number>()
    const { pool, driver } = gatedPool(driver => ({
      dialect: driver.dialect({ inTransaction: connection => open.has(connection.number) }),
    }))
    await (await pool.connect()).close()
    driver.listen(pool, 'reset')
    await (await pool.connect()).close()
    expect(driver.take()).toEqual(['open 1', 'on reset 1'])
    open.add(1)
    await (await pool.connect()).close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1'])
  })

  it('is reset by the dialect of the moment, which gets a fairy over it, not the raw connection (11, 12, 190)', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    const { connection } = fairy
    const seen: { connection?: unknown; number: number }[] = []
    pool.dialect = driver.dialect({ rollback: each => void seen.push(each) })
    pool.on('reset', each => void seen.push(each))
    await fairy.close()
    expect(seen).toHaveLength(2)
    for (const each of seen) {
      expect(each).not.toBe(connection)
      expect([each.connection, each.number]).toEqual([connection, 1])
    }
    await pool.dispose()
  })

  it('is not reset by an invalidation, nor by an inner close of a nested checkout (133, 176)', async () => {
    const { pool, driver } = gatedPool({ useThreadlocal: true })
    const [outer, inner] = [await pool.connect(), await pool.connect()]
    driver.take()
    await inner.close()
    expect(driver.take()).toEqual([])
    await outer.invalidate()
    expect(driver.take()).toEqual(['close 1'])
  })
})

describe('a reset that fails', () => {
  it('is hidden from the closer: logged, told of as an invalidation, and the connection is replaced (63, 184, 283)', async () => {
    const { pool, driver, logger } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    driver.listen(pool)
    const fairy = await pool.connect()
    driver.take()
    driver.next('rollback', 'fails')
    await fairy.close()
    expect(driver.take()).toEqual([
      'on reset 1',
      'rollback 1',
      'on invalidate 1 (rollback 1 fails)',
      'on close 1',
      'close 1',
      'on checkin -',
    ])
    expect(logger.errors).toMatchObject([{ message: 'rollback 1 fails' }])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await pool.connect()).number).toBe(2)
  })

  it('because of a listener looks the same, and the rollback is not even tried (284)', async () => {
    const { pool, driver } = gatedPool()
    driver.listen(pool, 'invalidate', 'checkin')
    const fairy = await pool.connect()
    pool.once('reset', () => Promise.reject(new Error('listener')))
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['on invalidate 1 (listener)', 'close 1', 'on checkin -'])
  })

  it('by not ending is cut off after resetTimeoutMs, and the next in line gets a new connection', async () => {
    const { pool, driver, logger } = gatedPool({ poolSize: 1, maxOverflow: 0, resetTimeoutMs: 200, timeoutMs: null })
    const fairy = await pool.connect()
    driver.next('rollback', 'never')
    const closing = fairy.close()
    const waiting = pool.connect()
    await driver.reached('rollback', 0)
    await pass(199)
    expect(await stateOf(closing)).toBe('pending')
    await pass(1)
    await closing
    expect(logger.errors).toMatchObject([{ phase: 'reset', timeoutMs: 200 }])
    expect((await waiting).number).toBe(2)
    expect(driver.connections[0]!.state).toBe('closed')
  })

  it('gives its place back even when an invalidate listener fails on top (288)', async () => {
    const { pool, driver, logger } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const fairy = await pool.connect()
    pool.on('invalidate', () => Promise.reject(new Error('listener')))
    driver.next('rollback', 'fails')
    await fairy.close()
    expect(logger.errors.map(error => (error as Error).message)).toEqual(['rollback 1 fails', 'listener'])
    expect([driver.open, countsOf(pool)]).toEqual([0, [1, 1, 0, 0]])
  })

  it('with an abort’s error gives its place back like any other (187)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const fairy = await pool.connect()
    driver.next('rollback', 'slow')
    const closing = fairy.close()
    await driver.release('rollback', new DOMException('stop', 'AbortError'))
    await closing
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })
})

describe('a reset listener', () => {
  it('that invalidates the record, and does not throw: one close, and the place comes home empty (186)', async () => {
    const { pool, driver } = gatedPool()
    driver.listen(pool, 'invalidate', 'close', 'checkin')
    const fairy = await pool.connect()
    pool.once('reset', (_fairy, record) => record!.invalidate(new Error('listener')))
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['on invalidate 1 (listener)', 'on close 1', 'close 1', 'rollback 1', 'on checkin -'])
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })

  it('that looks at the fairy finds it whole: connection, info and facts of the place', async () => {
    const { pool } = gatedPool()
    const fairy = await pool.connect()
    fairy.info!.set('colour', 'red')
    fairy.recordInfo!.set('place', 7)
    const seen: unknown[] = []
    pool.once('reset', each => void seen.push(each.isValid, each.info!.get('colour'), each.recordInfo!.get('place')))
    await fairy.close()
    expect(seen).toEqual([true, 'red', 7])
  })

  it('that takes its time is awaited before the rollback', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    pool.once('reset', async () => {
      await settle(2)
      driver.note('listener done')
    })
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['listener done', 'rollback 1'])
  })
})
