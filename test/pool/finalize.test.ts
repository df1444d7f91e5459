import { describe, expect, it } from 'vitest'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { type GatedPool, gatedPool } from '../support/gated-pool.ts'
import { countsOf, settle } from '../support/observe.ts'

/** A pool that hands out the records of its checkouts. */
function withRecords(): GatedPool & { readonly records: ConnectionRecord<GatedConnection>[] } {
  const gated = gatedPool({ poolSize: 1, maxOverflow: 0 })
  const records: ConnectionRecord<GatedConnection>[] = []
  gated.pool.on('checkout', (_connection, record) => void records.push(record))
  return { ...gated, records }
}

describe('a finalize callback', () => {
  it('is called at the next checkin with the raw connection, last one first, between reset and checkin (241, 257)', async () => {
    const { pool, driver, records } = withRecords()
    driver.listen(pool, 'reset', 'checkin')
    const fairy = await pool.connect()
    const { connection } = fairy
    const seen: unknown[] = []
    for (const name of ['first', 'second']) {
      records[0]!.finalizeCallback(each => {
        seen.push(each)
        driver.note(`${name} ${each.number}`)
      })
    }
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1', 'second 1', 'first 1', 'on checkin 1'])
    expect(seen).toEqual([connection, connection])
  })

  it('is called once: not at the checkin after that (241)', async () => {
    const { pool, records } = withRecords()
    let calls = 0
    const fairy = await pool.connect()
    records[0]!.finalizeCallback(() => calls++)
    await fairy.close()
    await (await pool.connect()).close()
    expect(calls).toBe(1)
  })

  it('may be registered by a connect listener, on a new place too (127)', async () => {
    const { pool, driver } = gatedPool()
    pool.on('connect', (_c, record) => record.finalizeCallback(each => driver.note(`callback ${each.number}`)))
    await (await pool.connect()).close()
    expect(driver.log.at(-1)).toBe('callback 1')
  })

  it('is awaited; the record is not in use any more then, and still counts as out (122)', async () => {
    const { pool, records } = withRecords()
    const seen: unknown[] = []
    const fairy = await pool.connect()
    records[0]!.finalizeCallback(async () => {
      await settle(2)
      seen.push(records[0]!.inUse, countsOf(pool))
    })
    pool.on('checkin', (_c, record) => void seen.push(record.inUse, countsOf(pool)))
    await fairy.close()
    const during = [1, 0, 0, 1]
    expect(seen).toEqual([false, during, false, during])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('is called after a soft invalidation (242)', async () => {
    const { pool, records } = withRecords()
    let calls = 0
    const fairy = await pool.connect()
    records[0]!.finalizeCallback(() => calls++)
    await fairy.invalidate(undefined, { soft: true })
    await fairy.close()
    expect(calls).toBe(1)
  })

  it('is forgotten when its connection is closed otherwise, and never meets another one (242, 243)', async () => {
    const { pool, records } = withRecords()
    const calls: unknown[] = []
    const fairy = await pool.connect()
    records[0]!.finalizeCallback(each => calls.push(each))
    await fairy.invalidate()
    await (await pool.connect()).close()
    expect(calls).toEqual([])
  })

  it('that fails is logged and stops nothing: the others run, checkin is told, the place is home (244, 286)', async () => {
    const { pool, driver, logger, records } = withRecords()
    driver.listen(pool, 'checkin')
    const fairy = await pool.connect()
    records[0]!.finalizeCallback(() => driver.note('first'))
    records[0]!.finalizeCallback(() => Promise.reject(new Error('callback')))
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['rollback 1', 'first', 'on checkin 1'])
    expect(logger.errors).toMatchObject([{ message: 'callback' }])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })
})
