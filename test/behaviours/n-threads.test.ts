import { describe, expect, it } from 'vitest'
import { ArgumentError } from '../../src/base/errors.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { type Place, places } from '../support/places.ts'
import type { Holding, PoolUser } from '../support/pool-user.ts'

/** Two users in two threads of one pool whose checkouts nest, each with its fairy. */
async function twoThreads(place: Place) {
  const { pool, user } = await place.visit({ useThreadlocal: true, poolSize: 3, maxOverflow: 0 })
  const other = await places.find(each => each !== place)!.userOf(pool)
  const [own, foreign] = [await user.connect(), await other.connect()]
  const recordOf = ({ number }: Holding) => [...pool.records].find(({ connection }) => connection?.number === number)!
  return { pool, user, other, own, foreign, recordOf }
}

/** True when the next connect() of a user nests: then it is one close away from where it was. */
async function nests(user: PoolUser, held: Holding): Promise<boolean> {
  const next = await user.connect()
  const same = next.number === held.number
  await next.close()
  return same && (await held.isValid())
}

const endings = [
  ['invalidated', 'invalidate'],
  ['closed', 'close'],
  ['checked in', 'checkin'],
] as const

describe.each(places)('a thread’s own checkout, $where', place => {
  it.each(endings)(
    'that is %s from outside is over: its next connect() is a new one at once (195)',
    async (_how, end) => {
      const { user, own, foreign, recordOf } = await twoThreads(place)
      expect(await nests(user, own)).toBe(true)
      await recordOf(own)[end]()
      expect(await own.isValid()).toBe(false)
      const next = await user.connect()
      expect([await next.isValid(), await own.isValid()]).toEqual([true, false])
      expect(await nests(user, next)).toBe(true)
      expect(await foreign.isValid()).toBe(true)
    },
  )

  it.each(endings)('stays found by its thread when another’s is %s (196)', async (_how, end) => {
    const { pool, user, own, other, foreign, recordOf } = await twoThreads(place)
    await recordOf(foreign)[end]()
    expect(await nests(user, own)).toBe(true)
    expect(await foreign.isValid()).toBe(false)
    expect((await other.connect()).number).not.toBe(own.number)
    expect(pool.status().checkedout).toBe(2)
  })
})

describe('useThreadlocal', () => {
  it.each([['true'], ['false'], [1], [null]])('is a boolean: %j is refused (202)', given => {
    const pool = () => gatedPool({ useThreadlocal: given as never })
    expect(pool).toThrow(ArgumentError)
    expect(pool).toThrow(/useThreadlocal must be a boolean/)
  })
})
