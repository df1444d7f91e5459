import { describe, expect, it, vi } from 'vitest'
import { InvalidRequestError, TimeoutError } from '../../src/base/errors.ts'
import { createPool } from '../../src/coordinator/create-pool.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { type GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { countsOf, failureOf, MemoryLogger, settle, stateOf } from '../support/observe.ts'

fakeTime()

describe('a creator', () => {
  it('opens instead of the dialect; rollback, commit and close are then the connection’s own (10)', async () => {
    const driver = new GatedDriver()
    const pool = createPool({ creator: driver.creator, resetOnReturn: 'commit', poolSize: 1 })
    await pool.use(connection => connection.query('x'))
    await pool.dispose()
    expect(driver.take()).toEqual(['open 1', 'call 1', 'commit 1', 'close 1'])
  })

  it('gets the record, which has no connection yet and no info, but the facts of its place (3, 5)', async () => {
    const driver = new GatedDriver()
    const seen: unknown[] = []
    const creator = (record: ConnectionRecord<GatedConnection>): Promise<GatedConnection> => {
      seen.push([record.connection, record.info.size, record.recordInfo.get('place')])
      record.recordInfo.set('place', 'mine')
      record.info.set('by', 'creator')
      return driver.openConnection()
    }
    const pool = createPool({ creator })
    const fairy = await pool.connect()
    expect(fairy.info!.get('by')).toBe('creator')
    await fairy.invalidate()
    await pool.connect()
    expect(seen).toEqual([
      [undefined, 0, undefined],
      [undefined, 0, 'mine'],
    ])
  })

  it('can be replaced on a live pool: the next open uses the new one, of an old place too (4)', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    const creator = vi.fn(driver.creator)
    pool.creator = creator
    await fairy.invalidate()
    await pool.connect()
    await pool.connect()
    expect(creator).toHaveBeenCalledTimes(2)
  })

  it('may give the connection without a promise', async () => {
    const driver = new GatedDriver()
    const [one] = [await driver.openConnection()]
    const pool = createPool({ creator: () => one })
    expect((await pool.connect()).connection).toBe(one)
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no route')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no route'))],
  ])(
    'that %s fails the caller with its own error: no events, nothing pooled, the place is free (27, 278)',
    async (_how, creator) => {
      const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
      driver.listen(pool)
      pool.creator = creator
      expect(await failureOf(pool.connect())).toMatchObject({ message: 'no route' })
      expect(driver.take()).toEqual([])
      expect(countsOf(pool)).toEqual([1, 0, -1, 0])
      pool.creator = driver.creator
      expect((await pool.connect({ timeoutMs: 0 })).number).toBe(1)
    },
  )

  it.each([[null], [undefined], [42], ['socket']])(
    'that returns %s instead of a connection is refused: no events, the place is free (6)',
    async value => {
      const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
      driver.listen(pool)
      pool.creator = () => value as unknown as GatedConnection
      const error = await failureOf(pool.connect())
      expect(error).toBeInstanceOf(InvalidRequestError)
      expect((error as Error).message).toMatch(/^The creator returned \w+ instead of a connection/)
      expect(driver.take()).toEqual([])
      expect(countsOf(pool)).toEqual([1, 0, -1, 0])
    },
  )

  it('that fails in a reopen: only checkin is told, the place is empty and home, and good for the next (28, 279)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const fairy = await pool.connect()
    await fairy.invalidate()
    driver.listen(pool)
    driver.take()
    driver.next('open', 'fails')
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'open 2 fails' })
    expect(driver.take()).toEqual(['open 2', 'on checkin -'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await pool.connect({ timeoutMs: 0 })).number).toBe(3)
  })
})

describe('a creator that never settles', () => {
  it('costs its place for connectTimeoutMs and no longer: callers time out with the last failure as cause (2, 26)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, timeoutMs: 100, connectTimeoutMs: 300 })
    driver.next('open', 'fails', 'never')
    const refused = await failureOf(pool.connect())
    const opening = failureOf(pool.connect())
    const waiting = failureOf(pool.connect())
    await pass(100)
    expect(await opening).toMatchObject({ phase: 'connect', cause: refused })
    expect(await waiting).toMatchObject({ phase: 'wait', total: 1, idle: 0, leased: 1, cause: refused })
    expect(countsOf(pool)).toEqual([1, 0, 0, 1])
    await pass(200)
    expect(countsOf(pool)).toEqual([1, 0, -1, 0])
    expect((await pool.connect()).number).toBe(3)
  })

  it('hands its place to who waits as soon as the attempt is given up', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, timeoutMs: null, connectTimeoutMs: 300 })
    driver.next('open', 'never')
    const opening = failureOf(pool.connect())
    const waiting = pool.connect()
    await pass(300)
    expect(await opening).toBeInstanceOf(TimeoutError)
    expect(await opening).toMatchObject({ phase: 'connect', timeoutMs: 300 })
    expect((await waiting).number).toBe(2)
  })

  it('is told by its signal that it may stop', async () => {
    const { pool } = gatedPool({ connectTimeoutMs: 300, timeoutMs: null })
    let signal: AbortSignal | undefined
    pool.creator = (_record, context) => {
      signal = context.signal
      return new Promise(() => {})
    }
    const failure = failureOf(pool.connect())
    await settle()
    expect(signal?.aborted).toBe(false)
    await pass(300)
    expect(signal?.aborted).toBe(true)
    expect(signal?.reason).toBe(await failure)
  })

  it('but does after all: what it has opened too late is closed, and nobody gets it', async () => {
    const { pool, driver, logger } = gatedPool({ poolSize: 1, maxOverflow: 0, timeoutMs: null, connectTimeoutMs: 300 })
    driver.next('open', 'slow')
    const failure = failureOf(pool.connect())
    await pass(300)
    await failure
    expect((await pool.connect()).number).toBe(2)
    await driver.release('open')
    expect(driver.log.slice(-1)).toEqual(['close 1'])
    expect(driver.open).toBe(1)
    expect(logger.lines).toEqual([])
  })

  it.each([[null], ['socket']])(
    'but gives %s after all: there is nothing to close, and nothing to report',
    async value => {
      const { pool, logger } = gatedPool({ timeoutMs: null, connectTimeoutMs: 300 })
      pool.creator = () => new Promise(resolve => setTimeout(() => resolve(value as unknown as GatedConnection), 500))
      const failure = failureOf(pool.connect())
      await pass(500)
      await failure
      expect(logger.lines).toEqual([])
    },
  )

  it('but fails after all: nobody hears of it a second time', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0, timeoutMs: null, connectTimeoutMs: 300 })
    driver.next('open', 'slow')
    const failure = failureOf(pool.connect())
    await pass(300)
    await failure
    await driver.release('open', new Error('refused'))
    expect(countsOf(pool)).toEqual([1, 0, -1, 0])
  })
})

describe('a connect listener that fails', () => {
  it('on a new place: its error, no other event, and the connection is closed (280)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    driver.listen(pool)
    pool.once('connect', () => Promise.reject(new Error('not this one')))
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'not this one' })
    expect(driver.take()).toEqual(['open 1', 'on firstConnect 1', 'on connect 1', 'close 1'])
    expect([driver.open, countsOf(pool)]).toEqual([0, [1, 0, -1, 0]])
  })

  it('on a reopened place: invalidate, close, checkin; the place is empty and home (281)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const fairy = await pool.connect()
    await fairy.invalidate()
    driver.listen(pool, 'connect', 'invalidate', 'close', 'checkin')
    driver.take()
    pool.once('connect', () => Promise.reject(new Error('not this one')))
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'not this one' })
    expect(driver.take()).toEqual([
      'open 2',
      'on connect 2',
      'on invalidate 2 (not this one)',
      'on close 2',
      'close 2',
      'on checkin -',
    ])
    expect([driver.open, countsOf(pool)]).toEqual([0, [1, 1, 0, 0]])
  })

  it('may call pool.connect() itself when there is a place (59)', async () => {
    const { pool } = gatedPool({ poolSize: 2 })
    await (await pool.connect()).close()
    pool.once('connect', async () => (await pool.connect()).close())
    const [a, b] = [await pool.connect(), await pool.connect()]
    expect([a.isValid, b.isValid]).toEqual([true, true])
  })

  it('of the first connection is told at once when it calls pool.connect() itself: that could never end (59)', async () => {
    const { pool } = gatedPool({ poolSize: 2, timeoutMs: 1000 })
    let inner: unknown
    pool.on('firstConnect', async () => {
      inner = await failureOf(pool.connect())
    })
    const outer = pool.connect()
    expect(await stateOf(outer)).toBe('fulfilled')
    expect(inner).toBeInstanceOf(InvalidRequestError)
  })
})

it('the stub for pools without a dialect says which method a connection lacks, and the connection is replaced (10)', async () => {
  const logger = new MemoryLogger()
  const pool = createPool({ creator: () => ({ close() {} }), logger })
  await (await pool.connect()).close()
  expect(String(logger.errors[0])).toMatch(/no method 'rollback'/)
  expect(countsOf(pool)).toEqual([5, 1, -4, 0])
})
