import { describe, expect, it } from 'vitest'
import { DisconnectionError, InvalidatePoolError, InvalidRequestError } from '../../src/base/errors.ts'
import { gatedPool, numbersOf, take } from '../support/gated-pool.ts'
import { collectUntil, countsOf, failureOf } from '../support/observe.ts'

describe('a checkout listener', () => {
  it('gets connection, record and fairy, which agree, with the record in use (123, 206)', async () => {
    const { pool } = gatedPool()
    const seen: unknown[] = []
    pool.on('checkout', (connection, record, fairy) => {
      seen.push(connection === fairy.connection, connection === record.connection, record.inUse, fairy.isValid, fairy)
    })
    const fairy = await pool.connect()
    expect(seen).toEqual([true, true, true, true, fairy])
    expect(seen[4]).toBe(fairy)
  })

  it('runs once for each checkout, after the open, in the order of registration (204, 221)', async () => {
    const { pool, driver } = gatedPool()
    driver.listen(pool, 'connect', 'checkout')
    pool.on('checkout', () => driver.note('second'))
    await (await pool.connect()).close()
    expect(driver.take()).toEqual(['open 1', 'on connect 1', 'on checkout 1', 'second', 'rollback 1'])
    await pool.connect()
    expect(driver.take()).toEqual(['on checkout 1', 'second'])
  })

  it('that finds the connection dead has it replaced under the same fairy, and all listeners run again (142, 207)', async () => {
    const { pool, driver } = gatedPool()
    await (await pool.connect()).close()
    driver.listen(pool)
    const fairies: unknown[] = []
    pool.on('checkout', (connection, _record, fairy) => {
      fairies.push(fairy)
      if (connection.number === 1) throw new DisconnectionError('dead')
    })
    pool.on('checkout', connection => driver.note(`last ${connection.number}`))
    driver.take()
    const fairy = await pool.connect()
    expect(driver.take()).toEqual([
      'on checkout 1',
      'on invalidate 1 (dead)',
      'on close 1',
      'close 1',
      'open 2',
      'on connect 2',
      'on checkout 2',
      'last 2',
    ])
    expect([fairy.number, fairy.isValid]).toEqual([2, true])
    expect(fairies.map(each => each === fairy)).toEqual([true, true])
    await fairy.close()
    expect(driver.take()).toEqual(['on reset 2', 'rollback 2', 'on checkin 2'])
  })

  it('that finds one connection dead condemns no other (208, 210)', async () => {
    const { pool } = gatedPool({ poolSize: 2 })
    for (const fairy of await take(pool, 2)) await fairy.close()
    pool.once('checkout', () => Promise.reject(new DisconnectionError('dead')))
    expect(numbersOf(await take(pool, 2))).toEqual([3, 2])
  })

  it.each([
    ['InvalidatePoolError', () => new InvalidatePoolError('all')],
    ['a DisconnectionError that says so', () => Object.assign(new DisconnectionError('all'), { invalidatePool: true })],
  ])('condemns all of their age with %s, and not the replacement (154, 208)', async (_name, error) => {
    const { pool } = gatedPool({ poolSize: 2 })
    for (const fairy of await take(pool, 2)) await fairy.close()
    pool.once('checkout', () => Promise.reject(error()))
    const fairies = await take(pool, 2)
    expect(numbersOf(fairies)).toEqual([3, 4])
    for (const fairy of fairies) await fairy.close()
    expect(numbersOf(await take(pool, 2))).toEqual([3, 4])
  })

  it('condemns again with its second InvalidatePoolError only what the first had not condemned (155)', async () => {
    const { pool } = gatedPool({ poolSize: 2 })
    for (const fairy of await take(pool, 2)) await fairy.close()
    let left = 2
    pool.on('checkout', () => {
      if (left-- > 0) throw new InvalidatePoolError('all')
    })
    expect(await failureOf(pool.connect())).toBeInstanceOf(InvalidRequestError)
    const fairies = await take(pool, 2)
    expect(new Set(numbersOf(fairies)).size).toBe(2)
    expect(Math.min(...numbersOf(fairies))).toBeGreaterThan(4)
  })

  it('has two tries: the third connection is not tried at all, the caller is told (209, 211)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    driver.listen(pool, 'connect', 'checkout', 'invalidate', 'close', 'checkin')
    pool.on('checkout', connection => {
      throw new DisconnectionError(`e${connection.number}`)
    })
    const error = (await failureOf(pool.connect())) as Error
    expect(driver.take()).toEqual([
      'open 1',
      'on connect 1',
      'on checkout 1',
      'on invalidate 1 (e1)',
      'on close 1',
      'close 1',
      'open 2',
      'on connect 2',
      'on checkout 2',
      'on invalidate 2 (e2)',
      'on close 2',
      'close 2',
      'open 3',
      'on connect 3',
      'on invalidate 3 (undefined)',
      'on close 3',
      'close 3',
      'on checkin -',
    ])
    expect(error).toBeInstanceOf(InvalidRequestError)
    expect('cause' in error).toBe(false)
  })

  it('that has used up its tries leaves the pool usable, the place home and empty (210)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const listener = (): never => {
      throw new DisconnectionError('dead')
    }
    pool.on('checkout', listener)
    await failureOf(pool.connect())
    expect([countsOf(pool), driver.open]).toEqual([[1, 1, 0, 0], 0])
    pool.off('checkout', listener)
    expect((await pool.connect()).number).toBe(4)
  })

  it('that fails otherwise fails the caller: invalidated, closed, checked in, before the error is thrown (215)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    driver.listen(pool)
    pool.once('checkout', () => Promise.reject(new Error('no')))
    const counts = await pool.connect().catch(error => [(error as Error).message, countsOf(pool)])
    expect(counts).toEqual(['no', [1, 1, 0, 0]])
    expect(driver.take().slice(3)).toEqual([
      'on checkout 1',
      'on invalidate 1 (no)',
      'on close 1',
      'close 1',
      'on checkin -',
    ])
    expect((await pool.connect({ timeoutMs: 0 })).number).toBe(2)
  })

  it('that finds the connection dead while the database is down: the reopen’s own error, at once (214)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    await (await pool.connect()).close()
    pool.once('checkout', () => Promise.reject(new DisconnectionError('dead')))
    driver.next('open', 'fails')
    driver.listen(pool, 'checkin')
    driver.take()
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'open 2 fails' })
    expect(driver.take()).toEqual(['close 1', 'open 2', 'on checkin -'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect(numbersOf(await take(pool, 1))).toEqual([3])
    await expect(pool.connect({ timeoutMs: 0 })).rejects.toThrow()
  })

  it('that invalidates the fairy without throwing: the caller gets a dead one, the place is home (218)', async () => {
    const { pool } = gatedPool()
    pool.once('checkout', (_connection, _record, fairy) => fairy.invalidate())
    const fairy = await pool.connect()
    expect([fairy.isValid, countsOf(pool)]).toEqual([false, [5, 1, -4, 0]])
    await fairy.close()
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })

  it('sees the info that connect listeners have set, also after a replacement (163, 238)', async () => {
    const { pool } = gatedPool()
    pool.on('connect', (connection, record) => record.info.set('opened', connection.number))
    const seen: unknown[] = []
    pool.on('checkout', (connection, record) => {
      seen.push(record.info.get('opened'))
      if (connection.number === 1) throw new DisconnectionError('dead')
    })
    await pool.connect()
    expect(seen).toEqual([1, 2])
  })
})

describe('a DisconnectionError', () => {
  it('is an error like any other from a creator or a connect listener: no retry (212)', async () => {
    const { pool, driver } = gatedPool()
    pool.once('connect', () => Promise.reject(new DisconnectionError('not here')))
    expect(await failureOf(pool.connect())).toBeInstanceOf(DisconnectionError)
    expect(driver.opened).toBe(1)
  })

  it('whose invalidate listener fails gives way to that failure; the place is free all the same (213)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    pool.once('checkout', () => Promise.reject(new DisconnectionError('dead')))
    pool.once('invalidate', () => Promise.reject(new Error('listener')))
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'listener' })
    expect([countsOf(pool), driver.open]).toEqual([[1, 1, 0, 0], 0])
    expect((await pool.connect({ timeoutMs: 0 })).number).toBe(2)
  })

  it('replaces the connection for good: a fairy lost after that resets the new one once, the old one never (220, 273)', async () => {
    const { pool, driver } = gatedPool()
    pool.once('checkout', () => Promise.reject(new DisconnectionError('dead')))
    const lose = async (): Promise<number> => (await pool.connect()).number
    expect(await lose()).toBe(2)
    driver.take()
    await collectUntil(() => pool.status().checkedout === 0)
    expect(driver.take()).toEqual(['rollback 2'])
  })
})
