import { expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { fastPool } from '../support/fast-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

/** Turns in all; the first word counts them, and the others say whose each was. */
const turns = 16_000

/** Many times what the rules allow: an ask that is still on its way to a coordinator which does not run counts for nothing. */
const patience = turns / 4

async function attached(): Promise<TestWorker> {
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => void keep('pool', await attach()))
  return worker
}

/** Callers of a worker that take turns until there have been enough. */
const takeTurns = (worker: TestWorker, who: number, callers: number, log: Int32Array): Promise<void> =>
  worker.run(
    async ({ kept }, who, callers, log) => {
      const pool = kept<PoolClient>('pool')
      const caller = async (): Promise<void> => {
        for (;;) {
          const fairy = await pool.connect()
          const turn = Atomics.add(log, 0, 1) + 1
          if (turn < log.length) log[turn] = who
          await fairy.close()
          if (turn >= log.length) return
        }
      }
      await Promise.all(Array.from({ length: callers }, caller))
    },
    who,
    callers,
    log,
  )

const newLog = (): Int32Array => new Int32Array(new SharedArrayBuffer((turns + 1) * 4))

/** The most turns that others have had between two of one's own, once all are at it. */
function longestWaits(log: Int32Array, parties: readonly number[]): number[] {
  const all = [...log.subarray(1)]
  const from = Math.max(...parties.map(who => all.indexOf(who)))
  return parties.map(who => {
    let longest = 0
    let last = from
    for (let turn = from; turn < all.length; turn++) {
      if (all[turn] === who) last = turn
      longest = Math.max(longest, turn - last)
    }
    return longest
  })
}

it('callers of the coordinator and of two workers share one connection, and nobody starves', async () => {
  const { pool, made } = fastPool({ timeoutMs: null })
  const log = newLog()
  const own = await pool.connect()
  const workers = [await attached(), await attached()]
  const busy = workers.map((worker, index) => takeTurns(worker, index + 1, 8, log))
  await eventually(() => pool.status().waiting).toBe(16)
  const caller = async (): Promise<void> => {
    for (;;) {
      const fairy = await pool.connect()
      const turn = Atomics.add(log, 0, 1) + 1
      if (turn < log.length) log[turn] = 3
      await fairy.close()
      if (turn >= log.length) return
      await new Promise(setImmediate)
    }
  }
  const callers = [caller(), caller()]
  await own.close()
  await Promise.all([...busy, ...callers])
  const waits = longestWaits(log, [1, 2, 3])
  expect(Math.max(...waits)).toBeLessThan(patience)
  expect(made).toHaveLength(1)
  await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
})

it('threads with many callers leave turns to those with few: four threads on two connections', async () => {
  const { pool } = fastPool({ poolSize: 2, timeoutMs: null })
  const log = newLog()
  const own = [await pool.connect(), await pool.connect()]
  const workers = [await attached(), await attached(), await attached(), await attached()]
  const busy = workers.map((worker, index) => takeTurns(worker, index + 1, [1, 2, 8, 32][index]!, log))
  await eventually(() => pool.status().waiting).toBe(43)
  for (const fairy of own) await fairy.close()
  await Promise.all(busy)
  const waits = longestWaits(log, [1, 2, 3, 4])
  expect(Math.max(...waits)).toBeLessThan(patience)
  await eventually(() => pool.status()).toMatchObject({ checkedin: 2, checkedout: 0, waiting: 0 })
})
