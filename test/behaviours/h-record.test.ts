import { describe, expect, it } from 'vitest'
import { monotonicMs } from '../../src/base/clock.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { countsOf, watchWarnings } from '../support/observe.ts'
import { failing, firstRecord, type Place, places, soon, type Visit } from '../support/places.ts'
import { type Holding, hold } from '../support/pool-user.ts'

interface Lent extends Visit {
  readonly held: Holding
  readonly record: ConnectionRecord<GatedConnection>
}

/** A pool of one place whose events are in the driver's log, and whose connection is out. */
async function lent(place: Place): Promise<Lent> {
  const visit = await place.visit({ poolSize: 1, maxOverflow: 0 })
  visit.driver.listen(visit.pool)
  const held = await visit.user.connect()
  visit.driver.take()
  return { ...visit, held, record: firstRecord(visit.pool) }
}

describe.each(places)('$where', place => {
  it('a record goes through its states, and outlives its connections (103)', async () => {
    const { pool, user } = await place.visit({
      poolSize: 1,
      maxOverflow: 1,
    })
    const seen: string[] = []
    const note = (what: string, record: ConnectionRecord<GatedConnection>): void => {
      seen.push(`${what} ${[...pool.records].indexOf(record)} ${record.state}`)
    }
    pool.on('connect', (_, record) => note('connect', record))
    pool.on('checkout', (_, record) => note('checkout', record))
    pool.on('reset', (_, record) => note('reset', record!))
    pool.on('checkin', (_, record) => note('checkin', record))
    pool.on('close', (_, record) => note('close', record))
    const kept = await user.connect()
    const record = firstRecord(pool)
    await kept.close()
    expect(seen).toEqual(['connect 0 opening', 'checkout 0 leased', 'reset 0 returning', 'checkin 0 returning'])
    expect(record.state).toBe('idle')
    await (await user.connect()).invalidate()
    expect([seen.slice(5), record.state]).toEqual([['close 0 closing', 'checkin 0 closing'], 'empty'])
    const [again, surplus] = await hold(user, 2)
    expect([firstRecord(pool), pool.records.size]).toEqual([record, 2])
    await again!.close()
    await surplus!.close()
    expect([...pool.records]).toEqual([record])
  })

  it('a record has no connection yet when its creator gets it, on its first open as on a later one (104)', async () => {
    const seen: unknown[] = []
    const { pool, user } = await place.visit(driver => ({
      creator: (record, context) => {
        seen.push([record.connection, record.state, record.info.size, record.inUse])
        return driver.creator(record, context)
      },
    }))
    await (await user.connect()).invalidate()
    await user.connect()
    expect(seen).toEqual([
      [undefined, 'opening', 0, false],
      [undefined, 'opening', 0, false],
    ])
    expect(pool.records.size).toBe(1)
  })

  it('the time of the connect is taken before the creator is called (105)', async () => {
    const called: number[] = []
    const { pool, user } = await place.visit(driver => ({
      creator: (record, context) => {
        called.push(Math.floor(record.lastConnectTime) - Math.floor(monotonicMs()))
        return driver.creator(record, context)
      },
    }))
    const before = Math.floor(monotonicMs())
    await (await user.connect()).invalidate()
    const first = firstRecord(pool).lastConnectTime
    await user.connect()
    const second = firstRecord(pool).lastConnectTime
    expect(called.every(ahead => ahead <= 0)).toBe(true)
    expect([first >= before, second >= first]).toEqual([true, true])
  })

  it('what is condemned while it opens on a new place is replaced at once; what follows is lent (107, 108)', async () => {
    const { pool, driver, user } = await place.visit()
    driver.listen(pool)
    driver.next('open', 'slow')
    const opening = user.connect()
    await driver.reached('open')
    await pool.invalidate()
    await driver.release('open')
    expect((await opening).number).toBe(2)
    const replaced = ['on connect 1', 'on close 1', 'close 1', 'open 2', 'on connect 2', 'on checkout 2']
    expect(driver.take()).toEqual(['open 1', 'on firstConnect 1', ...replaced])
  })

  it('what is condemned while its place is reopened is lent once, and replaced after that (109)', async () => {
    const { pool, driver, user, held } = await lent(place)
    await held.invalidate()
    driver.next('open', 'slow')
    const opening = user.connect()
    await driver.reached('open')
    await pool.invalidate()
    await driver.release('open')
    const again = await opening
    expect(again.number).toBe(2)
    await again.close()
    expect((await user.connect()).number).toBe(3)
  })

  it('a replacement: close with the info of old, driver close, open, connect, checkout, and nothing else (110)', async () => {
    const { pool, driver, user, held, record } = await lent(place)
    record.info.set('colour', 'red')
    pool.on('close', () => driver.note(`info ${record.info.get('colour')}`))
    pool.on('connect', () => driver.note(`info ${record.info.get('colour')}`))
    await held.close()
    record.finalizeCallback(() => driver.note('callback'))
    pool.condemn(undefined)
    driver.take()
    await user.connect()
    const closed = ['on close 1', 'info red', 'close 1']
    expect(driver.take()).toEqual([...closed, 'open 2', 'on connect 2', 'info undefined', 'on checkout 2'])
  })

  it('the reopen of an emptied place: open, connect, checkout, with no info (111)', async () => {
    const { driver, user, held, record } = await lent(place)
    record.info.set('colour', 'red')
    await held.invalidate()
    driver.take()
    await user.connect()
    expect(driver.take()).toEqual(['open 2', 'on connect 2', 'on checkout 2'])
    expect(record.info.size).toBe(0)
  })

  it('close() of an idle record: close event and driver close, no more; it stays home, and usable (112)', async () => {
    const { pool, driver, user, held, record } = await lent(place)
    await held.close()
    driver.take()
    await record.close()
    await record.close()
    expect([driver.take(), record.state, countsOf(pool)]).toEqual([['on close 1', 'close 1'], 'empty', [1, 1, 0, 0]])
    expect([(await user.connect()).number, firstRecord(pool) === record]).toEqual([2, true])
  })

  it('close() of a record that is out ends the loan with the connection; no reset, no invalidate event (112)', async () => {
    const { pool, driver, user, held, record } = await lent(place)
    await record.close()
    expect(driver.take()).toEqual(['on close 1', 'close 1', 'on checkin -'])
    expect([await held.isValid(), driver.open, countsOf(pool)]).toEqual([false, 0, [1, 1, 0, 0]])
    await held.close()
    expect((await user.connect()).number).toBe(2)
  })

  it('close() by a listener of its checkin lets it come home empty (112)', async () => {
    const { pool, driver, user, held } = await lent(place)
    pool.once('checkin', (_, record) => record.close())
    await held.close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1', 'on checkin 1', 'on close 1', 'close 1'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await user.connect()).number).toBe(2)
  })

  it('checkin() gives the record back without a reset; a second one warns and does nothing (121, 124)', async () => {
    const { pool, driver, user, held, record } = await lent(place)
    record.finalizeCallback(({ number }) => driver.note(`callback ${number}`))
    await record.checkin()
    expect([driver.take(), countsOf(pool)]).toEqual([
      ['callback 1', 'on checkin 1'],
      [1, 1, 0, 0],
    ])
    const warnings = watchWarnings()
    await record.checkin()
    expect([warnings, driver.take(), countsOf(pool)]).toEqual([['FAIRYPOOL_DOUBLE_CHECKIN'], [], [1, 1, 0, 0]])
    const next = await user.connect()
    await held.close()
    expect([await held.isValid(), await next.isValid(), next.number]).toEqual([false, true, 1])
    expect(driver.take()).toEqual(['on checkout 1'])
  })

  it('is not in use any more in callbacks and at checkin, still counts as out, and is in use at checkout (122, 123)', async () => {
    const { pool, user } = await place.visit({ poolSize: 1, maxOverflow: 0 })
    const seen: unknown[] = []
    pool.on('checkout', (_, record) => seen.push(['checkout', record.inUse, ...countsOf(pool)]))
    pool.on('reset', (_, record) => seen.push(['reset', record!.inUse]))
    pool.on('checkin', (_, record) => seen.push(['checkin', record.inUse, ...countsOf(pool)]))
    const held = await user.connect()
    const record = firstRecord(pool)
    record.finalizeCallback(() => seen.push(['callback', record.inUse, ...countsOf(pool)]))
    await held.close()
    expect(seen).toEqual([
      ['checkout', true, 1, 0, 0, 1],
      ['reset', true],
      ['callback', false, 1, 0, 0, 1],
      ['checkin', false, 1, 0, 0, 1],
    ])
    expect([record.inUse, ...countsOf(pool)]).toEqual([false, 1, 1, 0, 0])
  })

  it('a failed checkout invalidates with its error, then checks in, and the place is home (125)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0 })
    driver.listen(pool)
    pool.once('checkout', () => Promise.reject(new RangeError('not you')))
    expect(await failing(user.connect())).toMatchObject({ class: 'RangeError', message: 'not you' })
    const failed = ['on invalidate 1 (not you)', 'on close 1', 'close 1', 'on checkin -']
    expect(driver.take().slice(-4)).toEqual(failed)
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    driver.next('open', 'fails')
    expect(await failing(user.connect())).toMatchObject({ message: 'open 2 fails' })
    expect(driver.take()).toEqual(['open 2', 'on checkin -'])
    expect((await user.connect()).number).toBe(3)
  })

  it('finalize callbacks may be registered by a connect listener, on a new place as on an old one (127)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1 })
    pool.on('connect', (_, record) => record.finalizeCallback(each => driver.note(`callback ${each.number}`)))
    await (await user.connect()).close()
    await soon(pool).toEqual([1, 1, 0, 0])
    await (await user.connect()).invalidate()
    await (await user.connect()).close()
    await soon(pool).toEqual([1, 1, 0, 0])
    expect(driver.take().filter(line => line.startsWith('callback'))).toEqual(['callback 1', 'callback 2'])
  })
})
