import { describe, expect, it } from 'vitest'
import { AssertionPool } from '../../src/pool/assertion-pool.ts'
import { NullPool } from '../../src/pool/null-pool.ts'
import { SingletonThreadPool } from '../../src/pool/singleton-thread-pool.ts'
import { StaticPool } from '../../src/pool/static-pool.ts'
import { eventually } from '../support/eventually.ts'
import { GatedDriver } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { countsOf, settle, stateOf } from '../support/observe.ts'
import { allPlaces, waiters } from '../support/places.ts'
import { hold } from '../support/pool-user.ts'
import { line } from '../support/waiting-line.ts'

describe.each(allPlaces)('a suspended pool, $where,', place => {
  it('lends nothing, opens nothing and says so; who waits is served at resume(), in the order of their coming', async () => {
    const visit = await place.visit({ poolSize: 1, maxOverflow: 0 })
    const { pool, driver, user } = visit
    await (await user.connect()).close()
    await user.do(pool => pool.suspend())
    const { served, holdings } = await line(visit, 2)
    expect(await user.do(async pool => String(await pool.status()))).toMatch(/waiting 2, suspended$/)
    expect([pool.status().state, countsOf(pool), driver.opened]).toEqual(['suspended', [1, 1, 0, 0], 1])
    await user.do(pool => pool.resume())
    const first = await holdings[0]!
    expect([first.number, served, pool.status().state]).toEqual([1, [0], 'open'])
    await first.close()
    expect((await holdings[1]!).number).toBe(1)
  })

  it('opens what is wanted only after resume()', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2 })
    await user.do(pool => pool.suspend())
    const both = [user.connect(), user.connect()]
    await waiters(pool, 2)
    await settle()
    expect(driver.opened).toBe(0)
    await user.do(pool => pool.resume())
    expect((await Promise.all(both)).map(({ number }) => number).sort()).toEqual([1, 2])
  })

  it('lets deadlines run on, and tells who has waited in vain why; who will not wait is told at once', async () => {
    const { user, pool } = await place.visit({ poolSize: 1 })
    await (await user.connect()).close()
    pool.suspend()
    for (const timeoutMs of [50, 0]) {
      const failure = {
        code: 'FAIRYPOOL_TIMEOUT',
        phase: 'wait',
        message: expect.stringMatching(/The pool is suspended/),
      }
      const seen = await user.do(
        (pool, timeoutMs) =>
          pool.connect({ timeoutMs }).catch((error: { code: string; phase: string; message: string }) => {
            const { code, phase, message } = error
            return { code, phase, message }
          }),
        timeoutMs,
      )
      expect(seen).toMatchObject(failure)
    }
    pool.resume()
    expect((await user.connect()).number).toBe(1)
    expect(pool.status().waiting).toBe(0)
  })

  it('leaves what is out where it is; what comes home is lent to nobody, not even within its thread', async () => {
    const { pool, user } = await place.visit({ poolSize: 2, maxOverflow: 0 })
    const [a, b] = await hold(user, 2)
    const waiting = user.connect()
    await waiters(pool, 1)
    await user.do(pool => pool.suspend())
    expect(await a!.do(fairy => fairy.query('x'))).toMatchObject({ text: 'x' })
    await a!.close()
    await eventually(() => countsOf(pool)).toEqual([2, 1, 0, 1])
    expect([await stateOf(waiting), await b!.isValid()]).toEqual(['pending', true])
    await user.do(pool => pool.resume())
    expect((await waiting).number).toBe(a!.number)
  })

  it('lets statements of query() wait as well', async () => {
    const { pool, user } = await place.visit({ poolSize: 2 })
    const query = (): Promise<unknown> => user.do(pool => pool.query('select 1'))
    await query()
    await user.do(pool => pool.suspend())
    const asked = query()
    const late = user.do(pool =>
      pool.query('late', [], { timeoutMs: 30 }).catch((error: { code: string }) => error.code),
    )
    expect(await late).toBe('FAIRYPOOL_TIMEOUT')
    await waiters(pool, 1)
    expect([await stateOf(asked), countsOf(pool)]).toEqual(['pending', [2, 1, -1, 0]])
    await user.do(pool => pool.resume())
    expect(await asked).toMatchObject({ text: 'select 1' })
  })

  it('forgets who has left; twice is as once', async () => {
    const { pool, user } = await place.visit({ poolSize: 1, maxOverflow: 0 })
    pool.suspend()
    pool.suspend()
    const leaving = new AbortController()
    const left = user.connect({ signal: leaving.signal })
    const stays = user.connect()
    await waiters(pool, 2)
    leaving.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    await waiters(pool, 1)
    pool.resume()
    pool.resume()
    expect((await stays).number).toBe(1)
    expect(countsOf(pool)).toEqual([1, 0, 0, 1])
  })
})

describe.each([NullPool, StaticPool, SingletonThreadPool, AssertionPool])('a suspended %o', Class => {
  it('lets its callers wait at the gate, until resume(), their deadline, or an abort', async () => {
    const driver = new GatedDriver()
    const pool = new Class({ dialect: driver.dialect(), timeoutMs: null })
    pool.suspend()
    const leaving = new AbortController()
    const waiting = pool.uniqueConnection()
    const left = pool.uniqueConnection({ signal: leaving.signal })
    const late = pool.uniqueConnection({ timeoutMs: 20 })
    const now = pool.uniqueConnection({ timeoutMs: 0 })
    await expect(now).rejects.toMatchObject({ code: 'FAIRYPOOL_TIMEOUT' })
    expect(pool.status()).toMatchObject({ waiting: 3, state: 'suspended' })
    leaving.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    await expect(late).rejects.toMatchObject({ code: 'FAIRYPOOL_TIMEOUT', message: expect.stringMatching(/suspended/) })
    expect([pool.status().waiting, driver.opened]).toEqual([1, 0])
    pool.resume()
    expect((await waiting).number).toBe(1)
    expect(pool.status()).toMatchObject({ waiting: 0, state: 'open' })
  })
})

describe('while a pool is suspended', () => {
  it('statements that are under way finish, no other is put on their connection, and that comes home', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    driver.next('call', 'slow')
    const asked = pool.query('under way')
    await driver.reached('call')
    pool.suspend()
    const later = pool.query('later')
    await driver.release('call')
    expect(await asked).toMatchObject({ text: 'under way' })
    expect([await stateOf(later), countsOf(pool)]).toEqual(['pending', [1, 1, 0, 0]])
    pool.resume()
    expect(await later).toMatchObject({ text: 'later' })
  })

  it('no collection is asked for because callers wait', async () => {
    const { pool } = gatedPool({ poolSize: 2, maxOverflow: 0, collectOnStarvation: true })
    const held = await pool.connect()
    pool.suspend()
    await expect(pool.connect({ timeoutMs: 300 })).rejects.toThrow(/suspended/)
    expect([pool.status().collections, held.isValid]).toEqual([0, true])
  })

  it('nothing is pinged, nothing is opened to be ready; what is too old is closed all the same', async () => {
    const { pool, driver } = gatedPool({ poolSize: 4, minIdle: 2, keepaliveMs: 20, maxLifetimeMs: 300 })
    await eventually(() => pool.status().checkedin).toBe(2)
    pool.suspend()
    await settle()
    driver.take()
    await eventually(() => driver.open).toBe(0)
    expect(driver.take().filter(step => !step.startsWith('close'))).toEqual([])
    pool.resume()
    await eventually(() => pool.status().checkedin).toBe(2)
    await pool.dispose()
  })
})
