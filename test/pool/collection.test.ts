import { describe, expect, it } from 'vitest'
import { type GatedFairy, type GatedPool, gatedPool } from '../support/gated-pool.ts'
import { collectUntil, countsOf, settle, watchWarnings } from '../support/observe.ts'

/** Checks a connection out and forgets it; returns when the pool has it back. */
async function lose({ pool }: GatedPool, before?: (fairy: GatedFairy) => unknown): Promise<void> {
  await forget({ pool } as GatedPool, before)
  await collectUntil(() => pool.status().checkedout === 0)
}

async function forget({ pool }: GatedPool, before?: (fairy: GatedFairy) => unknown): Promise<void> {
  const fairy = await pool.connect()
  await before?.(fairy)
}

describe('a fairy that is lost', () => {
  it('comes home as if it had been closed: reset, callbacks, checkin; no warning (271)', async () => {
    const warnings = watchWarnings()
    const gated = gatedPool()
    const { pool, driver } = gated
    pool.once('connect', (_c, record) => record.finalizeCallback(() => driver.note('callback')))
    driver.listen(pool, 'reset', 'checkin')
    await lose(gated)
    expect(driver.take()).toEqual(['open 1', 'on reset 1', 'rollback 1', 'callback', 'on checkin 1'])
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
    expect((await pool.connect()).number).toBe(1)
    expect(warnings).toEqual([])
  })

  it('wakes who waits for a connection (271)', async () => {
    const gated = gatedPool({ poolSize: 1, maxOverflow: 0, timeoutMs: null })
    await forget(gated)
    let served = false
    const waiting = gated.pool.connect().then(fairy => {
      served = true
      return fairy
    })
    await collectUntil(() => served)
    expect((await waiting).number).toBe(1)
  })

  it('is warned about where checkouts are traced: once for a place, with the stack of the checkout (271)', async () => {
    const warnings = watchWarnings()
    const gated = gatedPool({ traceCheckouts: true })
    for (let i = 0; i < 2; i++) await lose(gated)
    expect(warnings).toEqual(['FAIRYPOOL_LOST_FAIRY'])
    const detail = (process.emitWarning as unknown as { mock: { calls: [string, { detail: string }][] } }).mock
      .calls[0]!
    expect(detail[0]).toMatch(/never closed.*checked out at forget .*collection\.test/)
    expect(detail[1].detail).toMatch(/collection\.test/)
  })

  it('and has been closed, invalidated or passed on before costs the next holder nothing (124, 272)', async () => {
    const gated = gatedPool({ poolSize: 1 })
    const { pool, driver } = gated
    await forget(gated, fairy => fairy.close())
    await forget(gated, fairy => fairy.invalidate())
    const holder = await pool.connect()
    driver.listen(pool, 'reset', 'checkin')
    driver.take()
    for (let i = 0; i < 5; i++) {
      globalThis.gc!()
      await settle()
    }
    expect([driver.take(), holder.isValid, countsOf(pool)]).toEqual([[], true, [1, 0, 0, 1]])
  })

  it('has its own reset and checkin errors swallowed and logged; the place is home (274)', async () => {
    const gated = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const { pool, driver, logger } = gated
    driver.next('rollback', 'fails')
    pool.once('checkin', () => Promise.reject(new Error('checkin')))
    await lose(gated)
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect(logger.errors).toMatchObject([{ message: 'rollback 1 fails' }])
    expect((await pool.connect({ timeoutMs: 0 })).number).toBe(2)
  })

  it('is lost when only its methods, its info or the proxy’s own promise of it are held no more', async () => {
    const gated = gatedPool({ poolSize: 1 })
    let info: unknown
    await lose(gated, fairy => {
      info = fairy.info
    })
    expect(info).toBeInstanceOf(Map)
    expect(countsOf(gated.pool)).toEqual([1, 1, 0, 0])
  })
})

describe('a fairy that is in use', () => {
  /** Collects a good while, and says whether the loan has ended: its slot is then on the way home at least. */
  const isLost = async ({ pool }: GatedPool): Promise<boolean> => {
    for (let i = 0; i < 10; i++) {
      globalThis.gc!()
      await settle(2)
    }
    return pool.slots.counts().leased === 0
  }

  it('is not lost while it is held, nor while one of its methods is', async () => {
    const gated = gatedPool()
    const fairy = await gated.pool.connect()
    expect(await isLost(gated)).toBe(false)
    expect(fairy.isValid).toBe(true)
  })

  it('is not lost while a call is in flight, though nobody holds it; it is after that', async () => {
    const gated = gatedPool()
    const { driver, pool } = gated
    driver.next('call', 'slow')
    let result: unknown
    await forget(gated, fairy => {
      void fairy.query('x').then(answer => {
        result = answer
      })
    })
    await driver.reached('call')
    expect(await isLost(gated)).toBe(false)
    await driver.release('call')
    expect(result).toEqual({ number: 1, text: 'x' })
    await collectUntil(() => pool.status().checkedout === 0)
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })

  it('is not lost while its cursor is read, though nobody else holds it; it is after that', async () => {
    const batches = [[1, 2], [3], []]
    const gated = gatedPool(driver => ({
      dialect: driver.dialect({
        cursor: () => ({ read: async () => batches.shift() ?? [], close: async () => {} }),
      }),
    }))
    const rows: unknown[] = []
    const cursor = await gated.pool.connect().then(fairy => [fairy.cursor('select')])
    expect(await isLost(gated)).toBe(false)
    for await (const row of cursor.pop()!) rows.push(row)
    expect(rows).toEqual([1, 2, 3])
    await collectUntil(() => gated.pool.status().checkedout === 0)
    expect(gated.pool.status().checkedout).toBe(0)
  })

  it('of nested checkouts is not lost as long as one of them is held (192)', async () => {
    const gated = gatedPool({ useThreadlocal: true })
    await forget(gated)
    const held = await gated.pool.connect()
    expect(await isLost(gated)).toBe(false)
    expect(held.isValid).toBe(true)
  })
})
