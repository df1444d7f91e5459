import { describe, expect, it } from 'vitest'
import { DisconnectionError, InvalidatePoolError } from '../../src/base/errors.ts'
import { eventually } from '../support/eventually.ts'
import { LogBook } from '../support/log-book.ts'
import { age, allPlaces, failing, type Place, places, soon, type Visit } from '../support/places.ts'
import { hold } from '../support/pool-user.ts'

type Options = Parameters<Place['visit']>[0]

interface Logged extends Visit {
  readonly book: LogBook
  /** The thread of the user. */
  readonly by: string
}

/** All are home: a worker's returns are one-way, and may still be on their way. */
const home = (pool: Visit['pool'], out = 0): Promise<void> => eventually(() => pool.status().checkedout).toBe(out)

/** A pool of one place that tells all, and its user. */
async function logged(place: Place, options: Options = {}): Promise<Logged> {
  const book = new LogBook()
  const visit = await place.visit(driver => ({
    echo: 'debug',
    logger: book,
    poolSize: 1,
    maxOverflow: 0,
    ...(typeof options === 'function' ? options(driver) : options),
  }))
  return { ...visit, book, by: `by thread ${await visit.user.threadId()}` }
}

describe.each(places)('the log, $where', place => {
  it('of a life: open and close twice, a lost fairy, dispose (302)', async () => {
    const { pool, user, book, by, driver } = await logged(place)
    await (await user.connect()).close()
    await (await user.connect()).close()
    const lost = await user.connect()
    await lost.lose(() => driver.log.filter(line => line === 'rollback 1').length === 3)
    await soon(pool).toEqual([1, 1, 0, 0])
    await pool.dispose()
    const round = [
      `debug: connection 1 checked out ${by}`,
      `debug: connection 1 being returned ${by}`,
      'debug: connection 1 rollback-on-return',
    ]
    expect(book.take()).toEqual([
      'debug: Created new connection 1',
      ...round,
      ...round,
      ...round,
      'debug: Closing connection 1',
      'info: Pool disposed. poolSize 1, checkedin 0, overflow -1, checkedout 0, waiting 0',
    ])
  })

  it('of opens: those that fail, and those that do not, at debug (297)', async () => {
    const { user, book, driver } = await logged(place)
    driver.next('open', 'fails')
    await failing(user.connect())
    await user.connect()
    expect(book.take().slice(0, 2)).toEqual([
      'debug: Error on connect (reason: GateError: open 1 fails)',
      'debug: Created new connection 1',
    ])
  })

  it('of returns: the reset by its mode, at debug (297)', async () => {
    for (const mode of ['commit', 'none'] as const) {
      const { pool, user, book, by } = await logged(place, { resetOnReturn: mode })
      const held = await user.connect()
      book.take()
      await held.close()
      await home(pool)
      const reset = mode === 'none' ? [] : ['debug: connection 1 commit-on-return']
      expect(book.take()).toEqual([`debug: connection 1 being returned ${by}`, ...reset])
    }
  })

  it('of a reset that is not needed, and of a ping that is not: one line more, at debug (303)', async () => {
    const { pool, user, book, by } = await logged(place, driver => ({
      prePing: true,
      dialect: driver.dialect({ inTransaction: () => false }),
    }))
    await (await user.connect()).close()
    await home(pool)
    expect(book.take()).toEqual([
      'debug: Created new connection 1',
      'debug: connection 1 is fresh, not pinged',
      `debug: connection 1 checked out ${by}`,
      `debug: connection 1 being returned ${by}`,
      'debug: connection 1 needs no reset',
    ])
  })

  it('of pings: at debug only, the failed ones too, and no event is told of them (173, 297)', async () => {
    const alive = [true, false]
    const { pool, user, book, by, driver } = await logged(place, driver => ({
      prePing: true,
      dialect: driver.dialect({ ping: () => alive.shift() === true }),
    }))
    await (await user.connect()).close()
    await home(pool)
    driver.listen(pool)
    driver.take()
    book.take()
    await (await user.connect()).close()
    expect(book.take('debug').slice(0, 3)).toEqual([
      `debug: connection 1 checked out ${by}`,
      'debug: Pinging connection 1',
      `debug: connection 1 being returned ${by}`,
    ])
    expect(driver.take()).toEqual(['on checkout 1', 'on reset 1', 'rollback 1', 'on checkin 1'])
    await user.connect()
    const reason = '(reason: InvalidatePoolError: The connection did not answer a ping.)'
    expect(book.take()).toEqual([
      `debug: connection 1 checked out ${by}`,
      'debug: Pinging connection 1',
      'debug: connection 1 did not answer a ping',
      `info: Disconnection of connection 1 detected on checkout, invalidating all connections opened before now ${reason}`,
      `info: Invalidating connection 1 ${reason}`,
      'debug: Terminating connection 1',
      'debug: Created new connection 2',
      'debug: connection 2 is fresh, not pinged',
    ])
    const events = ['on invalidate 1 (The connection did not answer a ping.)', 'on close 1', 'close 1', 'open 2']
    expect(driver.take()).toEqual([...events, 'on connect 2', 'on checkout 2'])
  })

  it('of invalidations: hard and soft, with class and text of the error if there was one, at info (298)', async () => {
    const { user, book } = await logged(place)
    await (await user.connect()).invalidate()
    const held = await user.connect()
    await held.invalidate(new TypeError('odd'), { soft: true })
    await held.invalidate(new RangeError('too far'))
    expect(book.take('info')).toEqual([
      'info: Invalidating connection 1',
      'info: Softly invalidating connection 2 (reason: TypeError: odd)',
      'info: Invalidating connection 2 (reason: RangeError: too far)',
    ])
  })

  it('of replacements: one line for each of the reasons, at info (298)', async () => {
    const { pool, user, book } = await logged(place, { recycleMs: 60_000 })
    await (await user.connect()).close()
    age(pool, 61_000)
    await (await user.connect()).close()
    await pool.invalidate()
    const held = await user.connect()
    await held.invalidate(undefined, { soft: true })
    await held.close()
    await user.connect()
    expect(book.take('info').filter(line => line.includes('recycling'))).toEqual([
      'info: connection 1 exceeded its age; recycling',
      'info: connection 2 was opened before the pool was invalidated; recycling',
      'info: connection 3 was softly invalidated; recycling',
    ])
  })

  it('of disconnections at checkout: of this one, of all, and when tries are exhausted, at info (298)', async () => {
    const { pool, user, book } = await logged(place)
    let tries = 0
    pool.on('checkout', () => {
      tries++
      throw tries === 1 ? new DisconnectionError('dead') : new InvalidatePoolError('all dead')
    })
    await failing(user.connect())
    expect(book.take('info')).toEqual([
      'info: Disconnection of connection 1 detected on checkout, invalidating this one (reason: DisconnectionError: dead)',
      'info: Invalidating connection 1 (reason: DisconnectionError: dead)',
      'info: Disconnection of connection 2 detected on checkout, invalidating all connections opened before now (reason: InvalidatePoolError: all dead)',
      'info: Invalidating connection 2 (reason: InvalidatePoolError: all dead)',
      'info: Reconnection attempts exhausted on checkout',
      'info: Invalidating connection 3',
    ])
  })

  it('of a driver that will not close, and of a reset that fails: at error, with the error (299)', async () => {
    const { pool, user, book, driver } = await logged(place, { echo: false })
    driver.next('rollback', 'fails')
    driver.next('close', 'fails')
    await (await user.connect()).close()
    await home(pool)
    expect(book.take()).toEqual([
      'error: a connection could not be reset and is replaced.',
      'error: closing a connection failed.',
    ])
    expect(book.errors).toMatchObject([{ message: 'rollback 1 fails' }, { message: 'close 1 fails' }])
    expect((book.errors[0] as Error).stack).toContain('GateError')
  })

  it('of a detached connection: reset and close, and no return (301)', async () => {
    const { user, book } = await logged(place)
    const held = await user.connect()
    await held.detach()
    book.take()
    await held.close()
    expect(book.take()).toEqual(['debug: connection 1 rollback-on-return', 'debug: Closing connection 1'])
  })

  it('has one verb for a close in peace, and one for that of a connection which is given up (303)', async () => {
    const { pool, user, book } = await logged(place)
    await (await user.connect()).close()
    await pool.dispose()
    await (await user.connect()).invalidate()
    await pool.invalidate()
    const closings = (): string[] => book.take('debug').filter(line => /Closing|Terminating/.test(line))
    expect(closings()).toEqual(['debug: Closing connection 1', 'debug: Terminating connection 2'])
    await (await user.connect()).close()
    await pool.invalidate()
    await user.connect()
    expect(closings()).toEqual(['debug: Terminating connection 3'])
  })

  it('names a connection by a number that stays with it, and nobody else ever has (304)', async () => {
    const { pool, user, book } = await logged(place, { poolSize: 2 })
    const numbers = (): string[] => [...new Set(book.take().flatMap(line => line.match(/connection \d+/g) ?? []))]
    const [a, b] = await hold(user, 2)
    expect(numbers()).toEqual(['connection 1', 'connection 2'])
    await b!.close()
    await home(pool, 1)
    expect(numbers()).toEqual(['connection 2'])
    await a!.invalidate()
    expect(numbers()).toEqual(['connection 1'])
    const [again, third] = await hold(user, 2)
    expect([again!.number, third!.number]).toEqual([2, 3])
    expect(numbers()).toEqual(['connection 2', 'connection 3'])
    await third!.detach()
    await third!.close()
    expect(numbers()).toEqual(['connection 3'])
  })
})

describe.each(allPlaces.slice(1))('a worker, $where', place => {
  it('is heard of at every checkout and return when all is told: none is made in shared memory (297)', async () => {
    const { pool, user, book, by } = await logged(place)
    for (let i = 0; i < 3; i++) await (await user.connect()).close()
    await home(pool)
    const count = (what: string): number => book.lines.filter(line => line.includes(`${what} ${by}`)).length
    expect([count('checked out'), count('being returned')]).toEqual([3, 3])
  })
})
