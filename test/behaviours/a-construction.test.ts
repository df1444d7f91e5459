import { describe, expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import { type GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { countsOf } from '../support/observe.ts'
import { allPlaces, failing, places, soon } from '../support/places.ts'
import { hold } from '../support/pool-user.ts'

describe.each(allPlaces)('$where', place => {
  it('nothing is opened before somebody connects, not by dispose or recreate either (1)', async () => {
    const { pool, driver, user } = await place.visit({ creator: () => Promise.reject(new Error('never called')) })
    await user.do(pool => pool.dispose())
    const other = pool.recreate()
    await (await place.userOf(other)).do(pool => pool.dispose())
    expect([driver.log, countsOf(pool)]).toEqual([[], [5, 0, -5, 0]])
    expect(await failing(user.connect())).toMatchObject({ message: 'never called' })
  })

  it('creators run side by side: those that hang cost their own places, and hold up as many callers (2)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 3, maxOverflow: 0 })
    driver.next('open', 'slow', 'slow')
    const asked = [user.connect(), user.connect()]
    await driver.reached('open', 2)
    asked.push(user.connect())
    // Callers of a worker are served as they came, whoever of them a connection was opened for.
    const first = await Promise.race(asked)
    expect([first.number, countsOf(pool)]).toEqual([3, [3, 0, 0, 3]])
    await first.close()
    const others = [...asked, user.connect()].filter(
      each => each !== asked[place.where === 'on the coordinator' ? 2 : 0],
    )
    expect((await Promise.race(others)).number).toBe(3)
    await driver.release('open')
    await driver.release('open')
    expect((await Promise.all(others)).map(({ number }) => number).sort()).toEqual([1, 2, 3])
  })

  it('a creator that is replaced on a live pool opens from then on, in an old place too (4)', async () => {
    const { pool, user } = await place.visit({ poolSize: 2 })
    const [old, other] = await hold(user, 2)
    const driver = new GatedDriver()
    for (let i = 0; i < 40; i++) await driver.openConnection()
    pool.creator = driver.creator
    await old!.invalidate()
    expect((await user.connect()).number).toBe(41)
    expect((await user.connect()).number).toBe(42)
    await other!.close()
    await soon(pool).toEqual([2, 1, 1, 2])
    expect((await user.connect()).number).toBe(2)
  })

  it.each([['null'], ['undefined'], ['42']])(
    'a creator that gives %s gives no connection: no event, the place is free, the next may do better (6)',
    async given => {
      const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 0 })
      driver.listen(pool, 'firstConnect', 'connect', 'checkout', 'close', 'invalidate')
      const { creator } = pool
      pool.creator = () => ({ null: null, undefined, 42: 42 })[given] as unknown as GatedConnection
      const failure = await failing(user.connect())
      expect(failure).toMatchObject({ class: 'InvalidRequestError', message: expect.stringContaining('creator') })
      expect([driver.take(), countsOf(pool)]).toEqual([[], [1, 0, -1, 0]])
      pool.creator = creator
      expect((await user.connect()).number).toBe(1)
    },
  )

  it('each connect() gives a new fairy, and uniqueConnection() does the same (17, 18)', async () => {
    const { driver, user } = await place.visit()
    const held = [...(await hold(user, 2)), await user.uniqueConnection()]
    expect(held.map(({ number }) => number)).toEqual([1, 2, 3])
    await held[0]!.close()
    expect([await held[1]!.isValid(), await held[2]!.isValid(), driver.open]).toEqual([true, true, 3])
  })

  it('in a pool with useThreadlocal uniqueConnection() passes by the thread’s own checkout (18)', async () => {
    const { pool, user } = await place.visit({ useThreadlocal: true })
    const own = await user.connect()
    const unique = await user.uniqueConnection()
    const nested = await user.connect()
    expect([own.number, unique.number, nested.number]).toEqual([1, 2, 1])
    await unique.close()
    await nested.close()
    expect([await own.isValid(), await unique.isValid()]).toEqual([true, false])
    await own.close()
    await soon(pool).toEqual([5, 2, -3, 0])
  })
})

describe.each(places)('$where', place => {
  it('the creator gets the record: no connection, no info, but what is known of its place (3, 5)', async () => {
    const seen: unknown[] = []
    const { user } = await place.visit(driver => ({
      creator: (record, context) => {
        seen.push([record.connection, record.info.size, record.recordInfo.get('shape')])
        record.info.set('colour', 'red')
        return driver.creator(record, context)
      },
    }))
    const held = await user.connect()
    await held.do(async ({ recordInfo }) => void (await recordInfo?.set('shape', 'round')))
    await held.invalidate()
    const again = await user.connect()
    expect(seen).toEqual([
      [undefined, 0, undefined],
      [undefined, 0, 'round'],
    ])
    // What the creator says of the connection is there for its users.
    expect(await again.do(({ info }) => info?.get('colour'))).toBe('red')
  })

  it('a creator may have any parameters, or none: it is called the same (3)', async () => {
    const given: number[] = []
    const { pool, driver, user } = await place.visit(driver => ({ creator: () => driver.openConnection() }))
    await user.connect()
    const creators = [
      (...all: unknown[]) => driver.openConnection().finally(() => given.push(all.length)),
      (_other = 7, _more?: unknown) => driver.openConnection(),
    ]
    for (const creator of creators) {
      pool.creator = creator as never
      await user.connect()
    }
    expect([driver.opened, given]).toEqual([3, [2]])
  })

  it('without a dialect rollback, commit and close are the connection’s own (10)', async () => {
    for (const resetOnReturn of ['rollback', 'commit', 'none'] as const) {
      const driver = new GatedDriver()
      const gated = await place.visit({
        dialect: undefined as never,
        creator: driver.creator,
        resetOnReturn,
        poolSize: 1,
      })
      const { pool, user } = gated
      expect(pool.dialect.name).toBe('stub')
      await (await user.connect()).close()
      await soon(pool).toEqual([1, 1, 0, 0])
      await user.do(pool => pool.dispose())
      expect(driver.take()).toEqual(['open 1', ...(resetOnReturn === 'none' ? [] : [`${resetOnReturn} 1`]), 'close 1'])
    }
  })

  it('the dialect is looked up at each use: the next ping, reset and close are the new one’s (11)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, prePing: true })
    const held = await user.connect()
    const said: string[] = []
    pool.dialect = driver.dialect({
      ping: ({ number }) => said.push(`ping ${number}`) > 0,
      rollback: ({ number }) => void said.push(`rollback ${number}`),
      close: ({ number }) => void said.push(`close ${number}`),
    })
    await held.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    await (await user.connect()).invalidate()
    expect(said).toEqual(['rollback 1', 'ping 1', 'close 1'])
    expect(driver.log).toEqual(['open 1'])
  })

  it('reset hooks get a fairy over the connection; ping and close get the connection itself (12)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, prePing: true })
    const got = new Map<string, unknown>()
    pool.dialect = {
      ...pool.dialect,
      ping: connection => got.set('ping', connection).size > 0,
      rollback: fairy => got.set('rollback', fairy).size,
      close: connection => got.set('close', connection).size,
    }
    await (await user.connect()).close()
    await soon(pool).toEqual([1, 1, 0, 0])
    await (await user.connect()).invalidate()
    const [connection] = driver.connections
    expect([got.get('ping') === connection, got.get('close') === connection]).toEqual([true, true])
    const fairy = got.get('rollback') as Fairy<GatedConnection>
    expect([fairy === (connection as unknown), fairy.connection === connection, fairy.number]).toEqual([false, true, 1])
  })

  it('listeners of the options come first, in their order, then those added later (13)', async () => {
    const order: number[] = []
    const { pool, user } = await place.visit({
      events: [
        [() => order.push(1), 'connect'],
        [() => order.push(2), 'connect'],
      ],
    })
    pool.on('connect', () => order.push(3))
    await user.connect()
    expect(order).toEqual([1, 2, 3])
    const other = pool.recreate()
    other.on('connect', () => order.push(4))
    await (await place.userOf(other)).connect()
    expect(order).toEqual([1, 2, 3, 1, 2, 3, 4])
  })

  it('nothing goes on in the background: what is idle stays as it is, however old, and untouched (20)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 3, recycleMs: 60_000, prePing: true })
    const held = await hold(user, 3)
    await Promise.all(held.map(each => each.close()))
    await soon(pool).toEqual([3, 3, 0, 0])
    await user.invalidate()
    driver.take()
    const due = performance.now() + 20
    while (performance.now() < due) await user.warnings()
    expect([driver.take(), driver.open]).toEqual([[], 3])
  })

  it('a call that finds its connection gone condemns the others first, then closes its own (21)', async () => {
    const isDisconnect = (error: unknown): boolean => (error as Error).message.startsWith('call')
    const { pool, driver, user } = await place.visit(driver => ({
      dialect: driver.dialect({ isDisconnect }),
      poolSize: 2,
      maxOverflow: 0,
    }))
    const [first, second] = await hold(user, 2)
    pool.on('invalidate', ({ number }, _, error) => {
      driver.note(`invalidate ${number}, the other is ${pool.records.at(1)?.staleness}: ${error}`)
    })
    driver.next('call', 'fails')
    driver.take()
    expect(await failing(first!.do(async fairy => await fairy.query('x')))).toMatchObject({ message: 'call 1 fails' })
    await soon(pool).toEqual([2, 1, 0, 1])
    const told = 'invalidate 1, the other is pool invalidated: GateError: call 1 fails'
    expect(driver.take()).toEqual(['call 1', told, 'close 1'])
    expect([await first!.isValid(), await second!.isValid()]).toEqual([false, true])
    await second!.close()
    await soon(pool).toEqual([2, 2, 0, 0])
    expect((await hold(user, 2)).map(({ number }) => number)).toEqual([3, 4])
  })
})
