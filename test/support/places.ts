import { afterAll, expect, onTestFinished } from 'vitest'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import { eventually } from './eventually.ts'
import { type Failure, failureOf } from './failure.ts'
import type { GatedConnection, GatedDriver } from './gated-driver.ts'
import { type GatedPool, gatedPool } from './gated-pool.ts'
import { countsOf } from './observe.ts'
import type { PoolUser } from './pool-user.ts'
import { ScriptError, TestWorker } from './test-worker.ts'
import { UserHere } from './user-here.ts'
import { UserThere } from './user-there.ts'

type Options = PoolOptions<GatedConnection>

/** A gated pool, and somebody who uses it. */
export interface Visit extends GatedPool {
  readonly user: PoolUser
}

/** From where a pool is used. A behaviour is written once, and must hold in each place: `describe.each(places)('$where', …)`. */
export interface Place {
  readonly where: string
  /** A new pool with a user there; options as for `gatedPool()`. */
  visit(options?: Options | ((driver: GatedDriver) => Options)): Promise<Visit>
  /** Another user there, of a pool that exists already. */
  userOf(pool: QueuePool<GatedConnection>): Promise<UserHere | UserThere>
}

const here: Place = {
  where: 'on the coordinator',
  visit: options => visiting(here, gatedPool(options)),
  userOf: async pool => new UserHere(pool),
}

const there: Place = {
  where: 'from a worker',
  visit: options => visiting(there, gatedPool(options)),
  userOf: pool => UserThere.of(shared(pool), worker()),
}

/** The driver says that there is nothing to reset: then a worker lends to itself, and returns by itself, in shared memory. */
const byItself: Place = {
  where: 'from a worker, by itself',
  visit: options => {
    const given = (driver: GatedDriver): Options => (typeof options === 'function' ? options(driver) : (options ?? {}))
    const gated = gatedPool(driver => ({ dialect: driver.dialect({ inTransaction: () => false }), ...given(driver) }))
    return visiting(there, gated)
  },
  userOf: pool => there.userOf(pool),
}

export const places: readonly Place[] = [here, there]

/** And one where the coordinator is not asked, and hears of things later: for counts, not for the order of resets. */
export const allPlaces: readonly Place[] = [here, there, byItself]

async function visiting(place: Place, gated: GatedPool): Promise<Visit> {
  return { ...gated, user: await place.userOf(gated.pool) }
}

let pools = 0

/** Shared for the test that runs, under a name of its own. */
function shared(pool: QueuePool<GatedConnection>): QueuePool<GatedConnection> {
  if (names.has(pool)) return pool
  names.add(pool)
  pool.share({ name: `pool ${++pools}` })
  onTestFinished(() => pool.unshare())
  return pool
}
const names = new WeakSet<object>()

let thread: TestWorker | undefined
const deaths: unknown[] = []

/** One worker for the tests of a file; it attaches to their pools one after another. */
function worker(): TestWorker {
  if (thread) return thread
  const started = new TestWorker()
  thread = started
  void started.exited.then(() => {
    if (started.error) deaths.push(started.error)
    if (thread === started) thread = undefined
  })
  return started
}

afterAll(async () => {
  await thread?.terminate()
  // Such as a rejection there that nobody has handled.
  expect(deaths, 'A worker has died of itself.').toEqual([])
})

/** How a promise fails, told the same wherever it has failed. */
export function failing(promise: Promise<unknown>): Promise<Failure> {
  return promise.then(
    value => failureOf(() => value),
    (error: unknown) => (error instanceof ScriptError ? error.failure : failureOf(() => Promise.reject(error))),
  )
}

/** A pool's counts, once they are as expected: a worker's one-way messages may still be on their way. */
export const soon = (pool: QueuePool<GatedConnection>): ReturnType<typeof eventually<CountsOf>> =>
  eventually(() => countsOf(pool))
type CountsOf = ReturnType<typeof countsOf>

/** So many callers wait. */
export const waiters = async (pool: QueuePool<GatedConnection>, count: number): Promise<void> =>
  eventually(() => pool.status().waiting).toBe(count)

/** Makes a connection older than it is, for every thread. */
export function age(pool: QueuePool<GatedConnection>, byMs: number): void {
  for (const { slot, lastConnectTime } of pool.records) pool.slots.stampOpening(slot, lastConnectTime - byMs)
}

/** The record of a pool's first place; it must have one. */
export function firstRecord(pool: QueuePool<GatedConnection>): ConnectionRecord<GatedConnection> {
  return pool.records.at(0)!
}
