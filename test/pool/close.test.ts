import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { InvalidRequestError, TimeoutError } from '../../src/base/errors.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { type GatedFairy, gatedPool } from '../support/gated-pool.ts'
import { countsOf, failureOf, settle, stateOf, watchWarnings } from '../support/observe.ts'

fakeTime()

describe('a fairy', () => {
  it('is transparent: its members first, then the driver’s; writes stay on the fairy (129)', async () => {
    const { pool } = gatedPool()
    const fairy = await pool.connect()
    expect([fairy.number, fairy.isValid, 'query' in fairy, 'state' in fairy, 'nonsense' in fairy]).toEqual([
      1,
      true,
      true,
      true,
      false,
    ])
    Object.assign(fairy, { mine: 5 })
    expect([Reflect.get(fairy, 'mine'), 'mine' in fairy.connection!]).toEqual([5, false])
    expect(Reflect.get(fairy, 'nonsense')).toBeUndefined()
  })

  it('is no promise, and is not mistaken for one', async () => {
    const fairy = await gatedPool().pool.connect()
    expect(Reflect.get(fairy, 'then')).toBeUndefined()
    expect(await fairy).toBe(fairy)
  })

  it('does not hand out what is behind it when the driver returns itself for chaining', async () => {
    const { pool } = gatedPool()
    const fairy = await pool.connect()
    Object.assign(fairy.connection!, {
      chain(this: unknown) {
        return this
      },
    })
    expect((fairy as GatedFairy & { chain(): unknown }).chain()).toBe(fairy)
  })

  it('is new for every checkout (17)', async () => {
    const { pool } = gatedPool()
    const first = await pool.connect()
    await first.close()
    expect(await pool.connect()).not.toBe(first)
  })

  it('goes back by use(), whatever the work does, and by await using', async () => {
    const { pool } = gatedPool()
    expect(await pool.use(async connection => connection.number)).toBe(1)
    expect(await failureOf(pool.use(() => Promise.reject(new Error('work'))))).toMatchObject({ message: 'work' })
    const fairy = await pool.connect()
    await fairy[Symbol.asyncDispose]()
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })
})

describe('a closed fairy', () => {
  it('has nothing any more: no connection, no info, and its members fail with a clear error (131, 132)', async () => {
    const { pool } = gatedPool()
    const fairy = await pool.connect()
    const { query } = fairy
    await fairy.close()
    expect([fairy.isValid, fairy.connection, fairy.info, fairy.recordInfo]).toEqual([
      false,
      undefined,
      undefined,
      undefined,
    ])
    for (const use of [() => fairy.query('x'), () => query('x'), () => fairy.number]) {
      expect(use).toThrow(InvalidRequestError)
      expect(use).toThrow(/This connection is closed/)
    }
    await expect(fairy.cursor('x').next()).rejects.toThrow(/This connection is closed/)
  })

  it('can not reach the connection that has gone to somebody else (124)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const old = await pool.connect()
    const { query } = old
    await old.close()
    const holder = await pool.connect()
    driver.take()
    expect(() => query('x')).toThrow(InvalidRequestError)
    await old.close()
    await old.detach()
    expect([driver.take(), holder.isValid, countsOf(pool)]).toEqual([[], true, [1, 0, 0, 1]])
  })

  it('can be closed again and again: no event, no warning (130)', async () => {
    const warnings = watchWarnings()
    const { pool, driver } = gatedPool()
    driver.listen(pool)
    const fairy = await pool.connect()
    await Promise.all([fairy.close(), fairy.close()])
    await fairy.close()
    expect(driver.log.filter(line => line === 'on checkin 1')).toHaveLength(1)
    expect(warnings).toEqual([])
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })

  it('can be printed, inspected and compared', async () => {
    const { pool } = gatedPool()
    const fairy = await pool.connect()
    expect(inspect(fairy)).toMatch(/^ConnectionFairy \{ lease: \d+, isValid: true \}$/)
    await fairy.close()
    expect(inspect(fairy)).toMatch(/isValid: false/)
    expect(String(fairy)).toMatch(/object/)
    expect(`${fairy}`).toMatch(/object/)
    expect(JSON.stringify({ fairy })).toMatch(/fairy/)
  })
})

describe('a fairy that is closed while a call is in flight', () => {
  it('waits for the call, with a warning; nobody gets the connection before that', async () => {
    const warnings = watchWarnings()
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    driver.next('call', 'slow')
    const fairy = await pool.connect()
    const call = fairy.query('x')
    const closing = fairy.close()
    const waiting = pool.connect()
    await driver.reached('call')
    expect([await stateOf(closing), await stateOf(waiting), warnings]).toEqual([
      'pending',
      'pending',
      ['FAIRYPOOL_CALL_IN_FLIGHT'],
    ])
    driver.take()
    await driver.release('call')
    expect(await call).toEqual({ number: 1, text: 'x' })
    await closing
    expect([(await waiting).number, driver.take()]).toEqual([1, ['rollback 1']])
  })

  it('takes no new calls', async () => {
    watchWarnings()
    const { pool, driver } = gatedPool()
    driver.next('call', 'slow')
    const fairy = await pool.connect()
    const call = fairy.query('x')
    const closing = fairy.close()
    expect(() => fairy.query('y')).toThrow(InvalidRequestError)
    await driver.release('call')
    await Promise.all([call, closing])
  })

  it('does not wait longer than closeTimeoutMs: then the call is cancelled, and the connection replaced', async () => {
    watchWarnings()
    const cancelled: number[] = []
    const { pool, driver, logger } = gatedPool(driver => ({
      poolSize: 1,
      maxOverflow: 0,
      closeTimeoutMs: 300,
      timeoutMs: null,
      dialect: driver.dialect({
        cancel: async connection => {
          cancelled.push(connection.number)
          await driver.release('call', new Error('cancelled'))
        },
      }),
    }))
    driver.next('call', 'slow')
    const fairy = await pool.connect()
    const call = failureOf(fairy.query('x'))
    const closing = fairy.close()
    const waiting = pool.connect()
    await pass(299)
    expect([await stateOf(closing), cancelled]).toEqual(['pending', []])
    await pass(1)
    await closing
    expect(await call).toMatchObject({ message: 'cancelled' })
    expect([(await waiting).number, cancelled]).toEqual([2, [1]])
    expect(driver.connections[0]!.state).toBe('closed')
    expect(logger.errors[0]).toBeInstanceOf(TimeoutError)
    expect(logger.errors[0]).toMatchObject({ phase: 'close', timeoutMs: 300 })
  })

  it.each([
    ['gets no answer', () => new Promise<void>(() => {})],
    ['has no effect', () => Promise.resolve()],
    ['fails', () => Promise.reject(new Error('no route'))],
  ])('does not wait for a cancel either that %s', async (_how, cancel) => {
    watchWarnings()
    const { pool, driver } = gatedPool(driver => ({
      poolSize: 1,
      maxOverflow: 0,
      closeTimeoutMs: 300,
      timeoutMs: null,
      dialect: driver.dialect({ cancel }),
    }))
    driver.next('call', 'never')
    const fairy = await pool.connect()
    void fairy.query('x')
    const closing = fairy.close()
    const waiting = pool.connect()
    await pass(300)
    await pass(300)
    await closing
    expect((await waiting).number).toBe(2)
  })

  it('hands the failure of the call to its caller alone', async () => {
    watchWarnings()
    const { pool, driver } = gatedPool()
    driver.next('call', 'slow')
    const fairy = await pool.connect()
    const call = failureOf(fairy.query('x'))
    const closing = fairy.close()
    await driver.release('call', new Error('query'))
    expect(await call).toMatchObject({ message: 'query' })
    await closing
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })

  it('has its open cursor closed first', async () => {
    const { pool, driver } = gatedPool(driver => ({
      dialect: driver.dialect({
        cursor: connection => ({
          read: async () => [1],
          close: async () => driver.note(`cursor closed ${connection.number}`),
        }),
      }),
    }))
    const fairy = await pool.connect()
    const cursor = fairy.cursor('x')
    await cursor.next()
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['cursor closed 1', 'rollback 1'])
  })

  it('gives the connection up when the driver never closes it: closeTimeoutMs, then it is dropped (291)', async () => {
    const { pool, driver, logger } = gatedPool({ closeTimeoutMs: 300 })
    const fairy = await pool.connect()
    driver.next('close', 'never')
    const invalidating = fairy.invalidate()
    await settle()
    await pass(300)
    await invalidating
    expect(logger.errors).toMatchObject([{ phase: 'close', timeoutMs: 300 }])
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })
})
