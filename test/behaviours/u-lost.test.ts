import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { fastPool } from '../support/fast-toy.ts'
import { heldBy } from '../support/held-by.ts'
import { countsOf, watchWarnings } from '../support/observe.ts'
import { places, soon } from '../support/places.ts'
import { hold } from '../support/pool-user.ts'
import { startWorker } from '../support/start-worker.ts'

describe.each(places)('what a pool knows of those that are out, $where', place => {
  it('is in its records only, and gone when they are home, lost or closed for good (275)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 4, maxOverflow: 0 })
    const [closed, invalidated, detached, lost] = await hold(user, 4)
    expect([heldBy(pool), pool.detached.size]).toEqual([{ [await user.threadId()]: 4 }, 0])
    await closed!.close()
    await invalidated!.invalidate()
    await detached!.detach()
    expect(pool.detached.size).toBe(1)
    await detached!.close()
    await lost!.lose(() => countsOf(pool)[3] === 0)
    await soon(pool).toEqual([4, 4, 0, 0])
    expect([heldBy(pool), pool.detached.size]).toEqual([{}, 0])
    expect([...pool.records].map(({ current, loan, inUse }) => [current, loan, inUse])).toEqual(
      Array(4).fill([undefined, undefined, false]),
    )
    expect(driver.open).toBe(2)
  })

  it('does not matter to a lost one: it is reset though that takes time, and lent again, not closed (276, 277)', async () => {
    const warnings = watchWarnings()
    const { pool, driver, user, logger } = await place.visit({ poolSize: 1, maxOverflow: 0 })
    const lost = await user.connect()
    driver.listen(pool, 'detach', 'closeDetached', 'close', 'checkin')
    driver.next('rollback', 'slow')
    const next = user.connect()
    await lost.lose(() => driver.waitingAt('rollback') === 1)
    expect(countsOf(pool)).toEqual([1, 0, 0, 1])
    await driver.release('rollback')
    expect((await next).number).toBe(1)
    expect(driver.take()).toEqual(['open 1', 'rollback 1', 'on checkin 1'])
    expect([logger.lines, warnings]).toEqual([[], []])
  })
})

describe('a thread that ends', () => {
  it('loses all that it holds: closed and replaced, not reset, for it may be in the midst of something (277)', async () => {
    const { pool, made } = fastPool({ poolSize: 2 })
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const pool = await attach()
      keep('fairies', [await pool.connect(), await pool.connect()])
    })
    const events: string[] = []
    for (const event of ['invalidate', 'reset', 'checkin'] as const) pool.on(event, () => events.push(event))
    await worker.terminate()
    await eventually(() => pool.status().checkedout).toBe(0)
    await turn()
    expect(events).toEqual(['invalidate', 'invalidate', 'checkin', 'checkin'])
    expect(made.map(({ state, log }) => [state, log])).toEqual(Array(2).fill(['closed', ['close']]))
    expect((await pool.connect()).whoami()).toBe(3)
  })
})
