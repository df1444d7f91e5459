import { describe, expect, it } from 'vitest'
import { InvalidatePoolError, InvalidRequestError } from '../../src/base/errors.ts'
import { gatedPool, take } from '../support/gated-pool.ts'
import { countsOf, failureOf } from '../support/observe.ts'

describe('a ping before a connection is lent again', () => {
  it('comes before the checkout listeners, gets the raw connection, and is not for one just opened (12, 165, 166)', async () => {
    const pinged: unknown[] = []
    const { pool, driver } = gatedPool(driver => ({
      prePing: true,
      dialect: driver.dialect({
        ping: connection => {
          pinged.push(connection)
          driver.note(`ping ${connection.number}`)
          return true
        },
      }),
    }))
    driver.listen(pool, 'checkout')
    const first = await pool.connect()
    expect(driver.take()).toEqual(['open 1', 'on checkout 1'])
    await first.close()
    driver.take()
    const second = await pool.connect()
    expect(driver.take()).toEqual(['ping 1', 'on checkout 1'])
    expect(pinged).toEqual([second.connection])
  })

  it('is made of one that has lain at home, even if nobody has been lent it: it was opened for one who left (166)', async () => {
    const { pool, driver } = gatedPool({ prePing: true })
    driver.next('open', 'slow')
    const controller = new AbortController()
    const leaving = failureOf(pool.connect({ signal: controller.signal }))
    await driver.reached('open')
    controller.abort('left')
    expect(await leaving).toBe('left')
    await driver.release('open')
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
    expect((await pool.connect()).number).toBe(1)
    expect(driver.take()).toEqual(['open 1', 'ping 1'])
  })

  it('is not made when nobody asked for it: the failure surfaces at first use (9, 174)', async () => {
    const { pool, driver } = gatedPool()
    await (await pool.connect()).close()
    driver.take()
    driver.set('ping', 'fails')
    const fairy = await pool.connect()
    driver.next('call', 'fails')
    await failureOf(fairy.query('x'))
    expect(driver.take()).toEqual(['call 1'])
  })

  it('is made at the outermost of nested checkouts only (165)', async () => {
    const { pool, driver } = gatedPool({ prePing: true, useThreadlocal: true })
    await (await pool.connect()).close()
    driver.take()
    await pool.connect()
    await pool.connect()
    expect(driver.take()).toEqual(['ping 1'])
  })

  it('that finds the connection dead replaces it, and condemns all of its age (167)', async () => {
    const { pool, driver } = gatedPool({ prePing: true, poolSize: 2 })
    const [a, b] = await take(pool, 2)
    await a!.close()
    await b!.close()
    driver.connections[0]!.state = 'closed'
    const errors: unknown[] = []
    pool.on('invalidate', (_connection, _record, error) => errors.push(error))
    driver.listen(pool, 'invalidate', 'close', 'connect')
    driver.take()
    const fairy = await pool.connect()
    const message = 'The connection did not answer a ping.'
    expect(driver.take()).toEqual([
      'ping 1',
      `on invalidate 1 (${message})`,
      'on close 1',
      'close 1',
      'open 3',
      'on connect 3',
    ])
    expect(errors[0]).toBeInstanceOf(InvalidatePoolError)
    expect(fairy.number).toBe(3)
    // The other one is replaced without a ping, and without an invalidate event of its own.
    await pool.connect()
    expect(driver.take()).toEqual(['on close 2', 'close 2', 'open 4', 'on connect 4'])
  })

  it('does not condemn the replacement (154)', async () => {
    const { pool, driver } = gatedPool({ prePing: true })
    await (await pool.connect()).close()
    driver.connections[0]!.state = 'closed'
    await (await pool.connect()).close()
    expect((await pool.connect()).number).toBe(2)
  })

  it('that fails otherwise fails the caller; the connection is invalidated and the place home at once (168)', async () => {
    const { pool, driver } = gatedPool({ prePing: true, poolSize: 1, maxOverflow: 0 })
    await (await pool.connect()).close()
    driver.listen(pool)
    driver.take()
    driver.next('ping', 'fails')
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'ping 1 fails' })
    expect(driver.take()).toEqual(['ping 1', 'on invalidate 1 (ping 1 fails)', 'on close 1', 'close 1', 'on checkin -'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await pool.connect({ timeoutMs: 0 })).number).toBe(2)
  })

  it('that finds the connection dead while the database is down fails with the reopen’s own error (169)', async () => {
    const { pool, driver } = gatedPool({ prePing: true, poolSize: 1, maxOverflow: 0 })
    await (await pool.connect()).close()
    driver.connections[0]!.state = 'closed'
    driver.next('open', 'fails', 'fails')
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'open 2 fails' })
    expect(await failureOf(pool.connect())).toMatchObject({ message: 'open 3 fails' })
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
    expect((await pool.connect()).number).toBe(4)
  })

  it('that never finds anything alive costs one ping and one reopen, for a fresh one is not pinged (170)', async () => {
    const { pool, driver } = gatedPool(driver => ({
      prePing: true,
      dialect: driver.dialect({
        ping: connection => {
          driver.note(`ping ${connection.number}`)
          return false
        },
      }),
    }))
    await (await pool.connect()).close()
    driver.take()
    expect((await pool.connect()).number).toBe(2)
    expect(driver.take()).toEqual(['ping 1', 'close 1', 'open 2'])
  })

  it('needs a dialect that can: without one the first reuse fails, and the connection is replaced (9, 171)', async () => {
    const { pool, driver } = gatedPool(driver => {
      const { ping: _, ...mute } = driver.dialect()
      return { prePing: true, dialect: mute }
    })
    await (await pool.connect()).close()
    const error = await failureOf(pool.connect())
    expect(error).toBeInstanceOf(InvalidRequestError)
    expect((error as Error).message).toMatch(/prePing is on, but the dialect 'gated' has no ping/)
    expect((await pool.connect()).number).toBe(2)
    expect(driver.open).toBe(1)
  })

  it('is made by the dialect of the moment (11)', async () => {
    const { pool, driver } = gatedPool({ prePing: true })
    await (await pool.connect()).close()
    pool.dialect = driver.dialect({ ping: () => false })
    expect((await pool.connect()).number).toBe(2)
  })
})
