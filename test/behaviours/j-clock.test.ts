import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { DisconnectionError, InvalidatePoolError } from '../../src/base/errors.ts'
import { countsOf } from '../support/observe.ts'
import { allPlaces, failing, firstRecord, type Place, places, soon, type Visit } from '../support/places.ts'
import { type Holding, hold } from '../support/pool-user.ts'

/** A pool whose events are in the driver's log, and whose connections are all out. */
async function lent(place: Place, poolSize: number): Promise<Visit & { readonly held: Holding[] }> {
  const visit = await place.visit({ poolSize, maxOverflow: 0 })
  visit.driver.listen(visit.pool)
  const held = await hold(visit.user, poolSize)
  visit.driver.take()
  return { ...visit, held }
}

const numbers = async (visit: Visit, count: number): Promise<number[]> =>
  (await hold(visit.user, count)).map(({ number }) => number)

describe.each(places)('$where', place => {
  it('the reporter’s connection is closed at once, and no other: they are replaced when next lent (146, 149-151)', async () => {
    const visit = await lent(place, 3)
    const { driver, user, held } = visit
    await held[2]!.close()
    driver.take()
    await user.invalidate(held[0], new Error('bad'))
    expect(driver.take()).toEqual(['on invalidate 1 (bad)', 'on close 1', 'close 1', 'on checkin -'])
    expect([await held[0]!.isValid(), await held[1]!.isValid(), driver.open]).toEqual([false, true, 2])
    // The one that is out goes on, comes home as always, and is kept until somebody wants it (151).
    await held[1]!.close()
    expect(driver.take()).toEqual(['on reset 2', 'rollback 2', 'on checkin 2'])
    expect(driver.open).toBe(2)
    expect(await numbers(visit, 3)).toEqual([4, 5, 6])
    const replaced = (old: number, number: number): string[] => [
      ...(old === 1 ? [] : [`on close ${old}`, `close ${old}`]),
      ...[`open ${number}`, `on connect ${number}`, `on checkout ${number}`],
    ]
    expect(driver.take()).toEqual([...replaced(3, 4), ...replaced(1, 5), ...replaced(2, 6)])
  })

  it('of a generation only the first report counts: who comes late finds the recovered ones untouched (147)', async () => {
    const visit = await lent(place, 3)
    const { driver, user, held } = visit
    await user.invalidate(held[0], new Error('bad'))
    const recovered = await user.connect()
    await recovered.close()
    await user.invalidate(held[1], new Error('bad'))
    await user.invalidate(held[2], new Error('bad'))
    // Those of the late reporters were closed with them; the recovered one is lent as it is.
    driver.take()
    expect(await numbers(visit, 3)).toEqual([recovered.number, 5, 6])
    expect(driver.take().filter(line => line.startsWith('close'))).toEqual([])
  })

  it('the dead may report again and again: they are judged by their generation (148)', async () => {
    const visit = await lent(place, 3)
    const { user, held } = visit
    const [dead, closed, detached] = held as [Holding, Holding, Holding]
    await closed.close()
    await detached.detach()
    await user.invalidate(dead, new Error('bad'))
    const recovered = await user.connect()
    await user.invalidate(dead, new Error('again'))
    await user.invalidate(closed, new Error('late'))
    await user.invalidate(detached, new Error('late'))
    await recovered.close()
    const again = await numbers(visit, 3)
    expect(again).toContain(recovered.number)
    expect(again.every(number => number >= recovered.number)).toBe(true)
  })

  it('a report by nobody condemns all there is, what is out too, once it has come home (146, 149)', async () => {
    const visit = await lent(place, 2)
    const { driver, user, held } = visit
    await held[0]!.close()
    await user.invalidate()
    expect([await held[1]!.isValid(), driver.open]).toEqual([true, 2])
    await held[1]!.close()
    expect(await numbers(visit, 2)).toEqual([3, 4])
  })

  it('a replacement that was left for later has no invalidate event (150)', async () => {
    const { driver, user, held } = await lent(place, 1)
    await held[0]!.close()
    await user.invalidate()
    driver.take()
    await user.connect()
    expect(driver.take()).toEqual(['on close 1', 'close 1', 'open 2', 'on connect 2', 'on checkout 2'])
  })

  it('a condemned connection beyond the size is closed on its return like any other (151)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 1, maxOverflow: 1 })
    driver.listen(pool)
    const [a, b] = await hold(user, 2)
    await user.invalidate()
    await a!.close()
    driver.take()
    await b!.close()
    expect(driver.take()).toEqual(['on reset 2', 'rollback 2', 'on checkin 2', 'on close 2', 'close 2'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('an open that is under way is condemned with the others, in whichever tick (152)', async () => {
    const { pool, driver, user } = await place.visit({ poolSize: 2 })
    driver.set('open', 'slow')
    const opening = [user.connect(), user.connect()]
    await driver.reached('open', 2)
    await user.invalidate()
    driver.set('open', 'ok')
    await driver.release('open')
    await driver.release('open')
    const held = await Promise.all(opening)
    expect(held.map(({ number }) => number).sort()).toEqual([3, 4])
    expect([driver.open, countsOf(pool)]).toEqual([2, [2, 0, 0, 2]])
  })

  it.each([
    ['of the whole pool', new InvalidatePoolError('all gone'), [3, 4]],
    ['of one connection', new DisconnectionError('gone'), [3, 2]],
  ])('a checkout listener’s report %s does not condemn the replacement (154)', async (_, error, then) => {
    const visit = await lent(place, 2)
    const { pool, user, held } = visit
    await held[0]!.close()
    await held[1]!.close()
    pool.once('checkout', () => Promise.reject(error))
    const next = await user.connect()
    const other = await user.connect()
    expect([next.number, other.number]).toEqual(then)
    await next.close()
    expect(await numbers(visit, 1)).toEqual([3])
  })

  it.each([
    ['condemns what was opened since the first', false],
    ['changes nothing when somebody else has condemned its connection meanwhile', true],
  ])('a second report in one checkout %s (155)', async (_, isCondemned) => {
    const { pool, user } = await place.visit({ poolSize: 2, maxOverflow: 0 })
    let passes = 0
    const sibling: number[] = []
    pool.on('checkout', async () => {
      passes++
      if (passes === 1) throw new InvalidatePoolError('all gone')
      if (passes !== 2) return
      if (isCondemned) await pool.invalidate()
      const other = await pool.connect()
      sibling.push(other.number)
      await other.close()
      throw new InvalidatePoolError('all gone again')
    })
    expect(await failing(user.connect())).toMatchObject({ class: 'InvalidRequestError' })
    expect(sibling).toEqual([3])
    expect((await user.connect()).number).toBe(isCondemned ? 3 : 5)
  })

  it('15 users report at once: 15 closes, 15 reopens, none twice (156)', async () => {
    const visit = await place.visit({ poolSize: 15, maxOverflow: 0 })
    const { pool, driver, user } = visit
    const held = await hold(user, 15)
    driver.listen(pool, 'invalidate', 'close')
    driver.take()
    driver.set('close', 'slow')
    const reports = held.map(each => user.invalidate(each, new Error('bad')))
    await driver.reached('close', 15)
    driver.set('close', 'ok')
    for (let i = 0; i < 15; i++) await driver.release('close')
    await Promise.all(reports)
    const count = (what: string): number => driver.log.filter(line => line.startsWith(what)).length
    expect([count('on invalidate'), count('on close'), count('close')]).toEqual([15, 15, 15])
    expect(countsOf(pool)).toEqual([15, 15, 0, 0])
    const reopened = await numbers(visit, 15)
    expect(reopened.sort((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_, i) => 16 + i))
    expect([driver.opened, driver.open]).toEqual([30, 15])
  })
})

describe.each(allPlaces)('$where', place => {
  it('a fresh pool’s clock stands before all, and so does that of a recreated one (145)', async () => {
    const { pool, user } = await place.visit({ poolSize: 1 })
    const held = await user.connect()
    await user.invalidate()
    const other = pool.recreate()
    const there = await place.userOf(other)
    for (const number of [2, 2]) {
      const mine = await there.connect()
      expect(mine.number).toBe(number)
      await mine.close()
      await soon(other).toEqual([1, 1, 0, 0])
    }
    await held.close()
    await soon(pool).toEqual([1, 1, 0, 0])
    expect((await user.connect()).number).toBe(3)
  })

  it('a connection of the same instant is condemned, and what is opened after it is not (107, 152)', async () => {
    const { pool, user } = await place.visit({ poolSize: 1 })
    for (let number = 1; number <= 5; number++) {
      const held = await user.connect()
      expect(held.number).toBe(number)
      await user.invalidate()
      await held.close()
      await soon(pool).toEqual([1, 1, 0, 0])
    }
  })

  it.each([-3_600_000, 3_600_000])(
    'a wall clock that jumps by %i ms makes nothing older or younger (153)',
    async jump => {
      const { pool, user } = await place.visit({ poolSize: 1, recycleMs: 60_000 })
      await (await user.connect()).close()
      await soon(pool).toEqual([1, 1, 0, 0])
      const now = Date.now
      vi.spyOn(Date, 'now').mockImplementation(() => now() + jump)
      onTestFinished(() => void vi.restoreAllMocks())
      if (place.where !== 'on the coordinator') await user.do(putForward, jump)
      const held = await user.connect()
      expect([held.number, firstRecord(pool).staleness]).toEqual([1, undefined])
      await user.invalidate()
      await held.close()
      await soon(pool).toEqual([1, 1, 0, 0])
      expect((await user.connect()).number).toBe(2)
      if (place.where !== 'on the coordinator') await user.do(putForward, -jump)
    },
  )
})

/** Lets the wall clock of a thread jump. */
function putForward(_: unknown, byMs: number): void {
  const now = Date.now
  Date.now = () => now() + byMs
}
