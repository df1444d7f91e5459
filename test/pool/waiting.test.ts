import { describe, expect, it } from 'vitest'
import { ArgumentError, TimeoutError } from '../../src/base/errors.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { type GatedFairy, gatedPool, take } from '../support/gated-pool.ts'
import { countsOf, failureOf, settle, stateOf } from '../support/observe.ts'

fakeTime()

/** A pool of one connection, which is out. */
async function fullPool(
  timeoutMs: number | null = 1000,
): Promise<ReturnType<typeof gatedPool> & { fairy: GatedFairy }> {
  const gated = gatedPool({ poolSize: 1, maxOverflow: 0, timeoutMs })
  return { ...gated, fairy: await gated.pool.connect() }
}

describe('a caller who waits', () => {
  it('waits to the end of the timeout, not less, and leaves no trace (42, 48)', async () => {
    const { pool, driver, fairy } = await fullPool(250)
    driver.listen(pool)
    driver.take()
    const waiting = pool.connect()
    const failure = failureOf(waiting)
    expect(pool.status().waiting).toBe(1)
    await pass(249)
    expect(await stateOf(waiting)).toBe('pending')
    await pass(1)
    expect(await failure).toBeInstanceOf(TimeoutError)
    expect([countsOf(pool), pool.status().waiting]).toEqual([[1, 0, 0, 1], 0])
    expect(driver.take()).toEqual([])
    await fairy.close()
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('waits for ever with timeoutMs null, of the pool or of the call (45)', async () => {
    const { pool, fairy } = await fullPool(null)
    const [ofPool, ofCall] = [pool.connect(), pool.connect({ timeoutMs: null })]
    await pass(100_000_000)
    expect(await stateOf(ofPool)).toBe('pending')
    await fairy.close()
    await (await ofPool).close()
    expect((await ofCall).isValid).toBe(true)
  })

  it('does not wait with timeoutMs 0: fails at once when no place is free, and opens slowly when one is (45)', async () => {
    const { pool, driver, fairy } = await fullPool()
    expect(await failureOf(pool.connect({ timeoutMs: 0 }))).toMatchObject({ phase: 'wait', timeoutMs: 0 })
    await fairy.invalidate()
    driver.next('open', 'slow')
    const opening = pool.connect({ timeoutMs: 0 })
    await driver.reached('open')
    await pass(900)
    expect(await stateOf(opening)).toBe('pending')
    await driver.release('open')
    expect((await opening).number).toBe(2)
  })

  it('has its own timeout instead of the pool’s when it brings one; a bad one is refused at once (45)', async () => {
    const { pool } = await fullPool(1000)
    const failure = failureOf(pool.connect({ timeoutMs: 20 }))
    await pass(20)
    expect(await failure).toMatchObject({ timeoutMs: 20 })
    for (const timeoutMs of [-1, Number.NaN, '5']) {
      expect(await failureOf(pool.connect({ timeoutMs: timeoutMs as number }))).toBeInstanceOf(ArgumentError)
    }
    expect(pool.status().waiting).toBe(0)
  })

  it('has one absolute deadline for its whole call: the wait, the open and the ping share it (43, 44, 47)', async () => {
    const { pool, driver, fairy } = await fullPool(1000)
    const call = pool.connect()
    const failure = failureOf(call)
    await pass(600)
    driver.next('open', 'slow')
    await fairy.invalidate()
    await driver.reached('open')
    await pass(399)
    expect(await stateOf(call)).toBe('pending')
    await pass(1)
    expect(await failure).toMatchObject({ phase: 'connect', timeoutMs: 1000 })
    await driver.release('open')
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('is told in its TimeoutError how full the pool was, and who held what (46)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 2, maxOverflow: 1, timeoutMs: 100 })
    driver.next('open', 'fails')
    const refused = await failureOf(pool.connect())
    const fairies = await take(pool, 3)
    const failures = [failureOf(pool.connect()), failureOf(pool.connect())]
    await pass(100)
    const [error] = (await Promise.all(failures)) as TimeoutError[]
    expect(error).toMatchObject({
      name: 'TimeoutError',
      code: 'FAIRYPOOL_TIMEOUT',
      phase: 'wait',
      timeoutMs: 100,
      total: 3,
      idle: 0,
      leased: 3,
      waiting: 2,
      holders: Array(3).fill(expect.objectContaining({ threadId: 0, use: 'connect' })),
    })
    expect(error!.cause).toBe(refused)
    expect(error!.message).toMatch(/100 ms.*3 of 3 connections are out, 2 callers wait.*open 1 fails/)
    expect(fairies.every(fairy => fairy.isValid)).toBe(true)
  })

  it('leaves when its signal aborts, with the reason of the signal, and is forgotten', async () => {
    const { pool, fairy } = await fullPool()
    const controller = new AbortController()
    const [first, second] = [pool.connect({ signal: controller.signal }), pool.connect()]
    const reason = new Error('enough')
    const failure = failureOf(first)
    controller.abort(reason)
    expect(await failure).toBe(reason)
    expect(pool.status().waiting).toBe(1)
    await fairy.close()
    expect((await second).number).toBe(1)
  })

  it('is not even queued when its signal has aborted before', async () => {
    const { pool, driver } = gatedPool()
    expect(await failureOf(pool.connect({ signal: AbortSignal.abort('before') }))).toBe('before')
    expect([driver.opened, pool.status().waiting]).toEqual([0, 0])
    expect(await failureOf(pool.connect({ signal: {} as AbortSignal }))).toBeInstanceOf(ArgumentError)
  })
})

describe('those who wait', () => {
  it('are served in the order of their arrival, one for each return (49)', async () => {
    const { pool, fairy } = await fullPool()
    const order: number[] = []
    const waiter = async (i: number): Promise<void> => {
      const connection = await pool.connect()
      order.push(i)
      await settle(1)
      await connection.close()
    }
    const waiters = [0, 1, 2, 3, 4].map(waiter)
    await settle()
    expect(order).toEqual([])
    await fairy.close()
    await Promise.all(waiters)
    expect(order).toEqual([0, 1, 2, 3, 4])
  })

  it('are each served at once when two come home together (49)', async () => {
    const { pool } = gatedPool({ poolSize: 2, maxOverflow: 0 })
    const [a, b] = await take(pool, 2)
    const waiters = [pool.connect(), pool.connect()]
    await Promise.all([a!.close(), b!.close()])
    expect((await Promise.all(waiters)).map(({ number }) => number)).toEqual([1, 2])
  })

  it('are not overtaken by who closes and connects at once: the connection is handed to the oldest (50)', async () => {
    const { pool, fairy } = await fullPool()
    const order: string[] = []
    const waiting = pool.connect().then(connection => {
      order.push('waiter')
      return connection
    })
    const closing = fairy.close()
    const barging = pool.connect().then(() => order.push('barger'))
    await closing
    await (await waiting).close()
    await barging
    expect(order).toEqual(['waiter', 'barger'])
    expect(await failureOf(pool.connect({ timeoutMs: 0 }))).toBeInstanceOf(TimeoutError)
  })

  it('are not overtaken either when another thread has made a connection idle in the table, unseen (50)', async () => {
    const { pool, fairy } = await fullPool()
    const order: string[] = []
    const table = SlotTable.attach(pool.slots.share())
    pool.slots.sessions.open(1, 99)
    await fairy.close()
    table.step(0, table.word(0), 'leased', 1)
    const waiting = pool.connect().then(() => order.push('waiter'))
    table.step(0, table.word(0), 'idle')
    const barging = pool.connect().then(() => order.push('barger'))
    await waiting
    expect([order, await stateOf(barging)]).toEqual([['waiter'], 'pending'])
  })

  it('get no connection that its former holder can still touch: it is reset before it is handed on (49)', async () => {
    const { pool, driver, fairy } = await fullPool()
    driver.next('rollback', 'slow')
    const waiting = pool.connect()
    const closing = fairy.close()
    await driver.reached('rollback')
    expect(await stateOf(waiting)).toBe('pending')
    await driver.release('rollback')
    await closing
    expect((await waiting).number).toBe(1)
  })

  it('are woken by an invalidation, by a detach, and by an open that fails (51, 52)', async () => {
    const { pool, driver, fairy } = await fullPool(null)
    const [a, b, c] = [pool.connect(), pool.connect(), pool.connect()]
    await fairy.invalidate()
    expect((await a).number).toBe(2)
    await (await a).detach()
    expect((await b).number).toBe(3)
    driver.next('open', 'fails', 'ok')
    const d = pool.connect()
    await (await b).invalidate()
    expect(await failureOf(c)).toMatchObject({ message: 'open 4 fails' })
    expect((await d).number).toBe(5)
  })

  it('are woken at once when whoever held the last place fails to open, or to please a listener (52, 53)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, timeoutMs: null })
    driver.next('open', 'slow')
    const failing = failureOf(pool.connect())
    const waiting = pool.connect()
    await driver.release('open', new Error('refused'))
    expect(await failing).toMatchObject({ message: 'refused' })
    expect((await waiting).number).toBe(2)
    await (await waiting).detach()
    pool.once('connect', () => Promise.reject(new Error('not this one')))
    const [refused, next] = [failureOf(pool.connect()), pool.connect()]
    expect(await refused).toMatchObject({ message: 'not this one' })
    expect((await next).number).toBe(4)
  })

  it('who get an emptied place reopen it themselves: a failure is theirs alone (54)', async () => {
    const { pool, driver, fairy } = await fullPool()
    const outcomes = [pool.connect(), pool.connect(), pool.connect()].map(async (connecting, i) => {
      try {
        const connection = await connecting
        await connection.close()
        return `${i}: connection ${connection.number}`
      } catch (error) {
        return `${i}: ${(error as Error).message}`
      }
    })
    driver.next('open', 'fails')
    await fairy.invalidate()
    const closed = (await Promise.all(outcomes)).map(each => each.replace('undefined', '3'))
    expect(closed[0]).toBe('0: open 2 fails')
    expect(driver.opened).toBe(3)
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('share one reopened connection in turn when the only one is invalidated (55)', async () => {
    const { pool, driver, fairy } = await fullPool()
    const numbers = [1, 2, 3].map(() => pool.use(connection => connection.number))
    await settle()
    await fairy.invalidate()
    expect(await Promise.all(numbers)).toEqual([2, 2, 2])
    expect(driver.opened).toBe(2)
  })

  it('stay with their pool when it is disposed or recreated, and are served by what it gets back (56, 249)', async () => {
    const { pool, driver, fairy } = await fullPool()
    const waiting = pool.connect()
    const other = pool.recreate()
    await pool.dispose()
    expect(await stateOf(waiting)).toBe('pending')
    await fairy.close()
    expect((await waiting).number).toBe(2)
    expect([countsOf(pool), countsOf(other)]).toEqual([
      [1, 0, 0, 1],
      [1, 0, -1, 0],
    ])
    expect(driver.open).toBe(1)
  })
})
