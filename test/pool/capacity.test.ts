import { describe, expect, it } from 'vitest'
import { TimeoutError } from '../../src/base/errors.ts'
import { gatedPool, numbersOf, take } from '../support/gated-pool.ts'
import { countsOf, failureOf, settle } from '../support/observe.ts'

const closeAll = async (fairies: readonly { close(): Promise<void> }[]): Promise<void> => {
  for (const fairy of fairies) await fairy.close()
}

describe("a pool's connections", () => {
  it('are not opened before somebody wants one; dispose and recreate open none either (1)', async () => {
    const { pool, driver } = gatedPool()
    driver.set('open', 'fails')
    await pool.dispose()
    pool.recreate()
    expect(countsOf(pool)).toEqual([5, 0, -5, 0])
    expect(driver.opened).toBe(0)
  })

  it('are 5, and 10 more while they are needed, unless told otherwise (22)', async () => {
    const { pool } = gatedPool()
    const fairies = await take(pool, 15)
    expect(countsOf(pool)).toEqual([5, 0, 10, 15])
    expect(await failureOf(pool.connect({ timeoutMs: 0 }))).toBeInstanceOf(TimeoutError)
    await closeAll(fairies)
    expect(countsOf(pool)).toEqual([5, 5, 0, 0])
  })

  it('are counted as in the example: size 3, no limit (23, 24, 25, 31)', async () => {
    const { pool } = gatedPool({ poolSize: 3, maxOverflow: -1 })
    const seen: number[][] = []
    const fairies = []
    for (let i = 0; i < 6; i++) {
      fairies.push(await pool.connect())
      seen.push(countsOf(pool))
    }
    expect(seen).toEqual([
      [3, 0, -2, 1],
      [3, 0, -1, 2],
      [3, 0, 0, 3],
      [3, 0, 1, 4],
      [3, 0, 2, 5],
      [3, 0, 3, 6],
    ])
    await closeAll(fairies.slice(0, 3))
    expect(countsOf(pool)).toEqual([3, 3, 3, 3])
    await closeAll(fairies.slice(3))
    expect(countsOf(pool)).toEqual([3, 3, 0, 0])
    await take(pool, 2)
    expect(countsOf(pool)).toEqual([3, 1, 0, 2])
  })

  it('count from before the open, against the limit too (26)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    driver.set('open', 'slow')
    const opening = pool.connect()
    expect(countsOf(pool)).toEqual([1, 0, 0, 1])
    expect(await failureOf(pool.connect({ timeoutMs: 0 }))).toBeInstanceOf(TimeoutError)
    await driver.release('open')
    await (await opening).close()
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('open side by side: a slow one holds up nobody but its own caller (2)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 3 })
    driver.next('open', 'never', 'slow', 'slow')
    void pool.connect()
    const [second, third] = [pool.connect(), pool.connect()]
    await driver.reached('open', 2)
    await driver.release('open')
    await driver.release('open')
    expect(numbersOf(await Promise.all([second, third]))).toEqual([2, 3])
  })

  it('that are idle are preferred to new ones, emptied places too (29)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 5 })
    const [a, b] = await take(pool, 2)
    await a!.close()
    expect((await pool.connect()).number).toBe(1)
    await b!.invalidate()
    expect(countsOf(pool)).toEqual([5, 1, -3, 1])
    const c = await pool.connect()
    expect([c.number, driver.opened]).toEqual([3, 3])
    expect(countsOf(pool)).toEqual([5, 0, -3, 2])
  })

  it('that come home to enough idle ones are closed: the last, whoever was opened beyond the size (30)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2, maxOverflow: 1, resetOnReturn: 'none' })
    const [a, b, c] = await take(pool, 3)
    driver.take()
    await closeAll([c!, b!, a!])
    expect(driver.take()).toEqual(['close 1'])
    expect(countsOf(pool)).toEqual([2, 2, 0, 0])
  })

  it('are no more than the size with maxOverflow 0 (31)', async () => {
    const { pool } = gatedPool({ poolSize: 2, maxOverflow: 0 })
    await take(pool, 2)
    expect(await failureOf(pool.connect({ timeoutMs: 0 }))).toBeInstanceOf(TimeoutError)
  })

  it('have no limit with maxOverflow -1: nobody waits, and the size is what is kept (31)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2, maxOverflow: -1, timeoutMs: 0 })
    const fairies = await take(pool, 200)
    expect(countsOf(pool)).toEqual([2, 0, 198, 200])
    await closeAll(fairies)
    expect(countsOf(pool)).toEqual([2, 2, 0, 0])
    expect(driver.open).toBe(2)
  })

  it('have no limit with poolSize 0, and all are kept; none is beyond the size then (34, 35)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 0, maxOverflow: 0, timeoutMs: 0 })
    const fairies = await take(pool, 40)
    expect(countsOf(pool)).toEqual([0, 0, 0, 40])
    await closeAll(fairies)
    expect(countsOf(pool)).toEqual([0, 40, 0, 0])
    expect(driver.open).toBe(40)
    await take(pool, 3)
    expect(driver.opened).toBe(40)
  })

  it.each([0, 5])('are never more than the limit with 40 callers at once, maxOverflow %i (37)', async maxOverflow => {
    const { pool, driver } = gatedPool({ poolSize: 3, maxOverflow })
    let [peak, out, outPeak] = [-3, 0, 0]
    const caller = async (i: number): Promise<void> => {
      for (let round = 0; round < 5; round++) {
        await pool.use(async connection => {
          outPeak = Math.max(outPeak, ++out)
          peak = Math.max(peak, pool.status().overflow)
          await connection.query(`caller ${i}`)
          if ((i + round) % 3 === 0) await settle(1)
          out--
        })
      }
    }
    await Promise.all(Array.from({ length: 40 }, (_, i) => caller(i)))
    expect([peak, outPeak]).toEqual([maxOverflow, 3 + maxOverflow])
    expect(countsOf(pool)).toEqual([3, 3, 0, 0])
    expect(driver.open).toBe(3)
    expect(pool.status().waiting).toBe(0)
  })
})

describe('the counts', () => {
  it('survive opens that fail, of a new place and of an old one (27, 28, 38)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2 })
    driver.next('open', 'fails')
    await failureOf(pool.connect())
    expect(countsOf(pool)).toEqual([2, 0, -2, 0])
    const fairy = await pool.connect()
    await fairy.invalidate()
    expect(countsOf(pool)).toEqual([2, 1, -1, 0])
    driver.next('open', 'fails')
    await failureOf(pool.connect())
    expect(countsOf(pool)).toEqual([2, 1, -1, 0])
    await pool.connect()
    expect(countsOf(pool)).toEqual([2, 0, -1, 1])
  })

  it('survive invalidation, detach, and a surplus connection that will not close (38)', async () => {
    const { pool, driver, logger } = gatedPool({ poolSize: 1, maxOverflow: 2 })
    const [a, b, c] = await take(pool, 3)
    await a!.invalidate()
    expect(countsOf(pool)).toEqual([1, 1, 2, 2])
    await b!.detach()
    expect(countsOf(pool)).toEqual([1, 1, 1, 1])
    driver.next('close', 'fails')
    await c!.close()
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect(logger.lines).toEqual(['error: fairypool.QueuePool: closing a connection failed.'])
  })

  it('keep a surplus connection as out until it is closed, so that there are never too many (26, 30)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 1 })
    const [a, b] = await take(pool, 2)
    await a!.close()
    driver.next('close', 'slow')
    const closing = b!.close()
    await driver.reached('close')
    expect(countsOf(pool)).toEqual([1, 1, 1, 1])
    await driver.release('close')
    await closing
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('are one line of decimal integers, in the order of old (40)', async () => {
    const { pool } = gatedPool({ poolSize: 3 })
    await pool.connect()
    expect(String(pool.status()).match(/-?\d+/g)).toEqual(['3', '0', '-2', '1', '0'])
  })
})
