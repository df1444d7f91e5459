import type { Client } from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import type { WorkerContext } from '../support/worker-context.ts'
import { openHouse, transports } from './house.ts'
import { use, useMany } from './scripts.ts'

const own = OwnServer.forThisFile()
beforeAll(() => own.view.query('create table notes (n int unique)'))

/** Begins a transaction, writes into it, and closes without ending it. */
const leaveOpen = async ({ kept }: WorkerContext, how: 'open' | 'aborted'): Promise<void> => {
  const conn = await kept<PoolClient<Client>>('pool').connect()
  await conn.query('begin')
  await conn.query('insert into notes values (1)')
  if (how === 'aborted') await conn.query('select 1/0').catch(() => {})
  await conn.close()
}

/** What the next holder finds: no transaction, and none of the notes. */
const find = async ({ kept }: WorkerContext) =>
  kept<PoolClient<Client>>('pool').use(async conn => {
    const { rows } = await conn.query(
      'select count(*)::int as notes, now() = statement_timestamp() as alone from notes',
    )
    return rows as { notes: number; alone: boolean }[]
  })

describe.each(transports)('%s:', transport => {
  it.each(['open', 'aborted'] as const)(
    'fault 11: a transaction that was left %s is rolled back before anybody else has the connection',
    async how => {
      const { pool, worker, another } = await openHouse(own, transport)
      const pid = await worker.run(use)
      await worker.run(leaveOpen, how)
      expect(await (await another()).run(find)).toEqual([{ notes: 0, alone: true }])
      expect(await worker.run(use)).toBe(pid)
      await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    },
  )

  it.each(['fails', 'hangs'] as const)(
    'fault 11: a reset that %s costs the connection, and not its place',
    async how => {
      const { pool, worker } = await openHouse(own, transport, {
        resetTimeoutMs: 100,
        dialect: () => ({
          rollback: () => (how === 'hangs' ? new Promise(() => {}) : Promise.reject(new Error('on purpose'))),
        }),
      })
      const pid = await worker.run(use)
      await worker.run(leaveOpen, 'open')
      expect(await worker.run(find)).toEqual([{ notes: 0, alone: true }])
      await eventually(() => own.view.pids()).not.toContain(pid)
      await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    },
  )

  it.each(['throws', 'rejects', 'hangs'] as const)(
    'fault 12: a driver whose close and terminate %s is left behind: the place is free, and in time',
    async how => {
      const fail = (): Promise<never> => {
        if (how === 'throws') throw new Error('on purpose')
        return how === 'hangs' ? new Promise(() => {}) : Promise.reject(new Error('on purpose'))
      }
      const { pool, worker } = await openHouse(own, transport, {
        poolSize: 1,
        maxOverflow: 1,
        closeTimeoutMs: 100,
        dialect: () => ({ close: fail, terminate: fail as unknown as () => void }),
      })
      // The second is one too many when it comes home; then one is invalidated, and the pool is disposed of.
      await worker.run(useMany, 2)
      await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
      await worker.run(({ kept }) => kept<PoolClient<Client>>('pool').use(conn => conn.invalidate()))
      await worker.run(useMany, 2)
      await pool.dispose()
      await eventually(() => pool.records.size).toBe(0)
      await worker.run(use)
    },
  )

  it('fault 17: what is released twice is released once, and of no use after that', async () => {
    const { pool, worker, another } = await openHouse(own, transport)
    const seen = await worker.run(async ({ kept, keep, failureOf }) => {
      const pool = kept<PoolClient<Client>>('pool')
      const conn = await pool.connect()
      await conn.query('select 1')
      await conn.close()
      await conn.close()
      // Another loan of the same place: the late hand of the first must not touch it.
      const next = keep('next', await pool.connect())
      await conn.close()
      const after = await failureOf(() => conn.query('select 1'))
      const cursor = await failureOf(() => conn.cursor('select 1', []).next())
      await next.query('select 2')
      return { after: after.class, cursor: cursor.class, isValid: next.isValid }
    })
    expect(seen).toEqual({ after: 'InvalidRequestError', cursor: 'InvalidRequestError', isValid: true })
    // It is out, and to nobody else.
    const waiting = (await another()).run(use)
    await eventually(() => pool.status()).toMatchObject({ checkedout: 1, waiting: 1 })
    await worker.run(({ kept }) => kept<Fairy<Client>>('next').close())
    await waiting
  })

  it("fault 17: the driver's own end() is not a borrower's, and a connection of another pool is nobody's here", async () => {
    const { worker, pool } = await openHouse(own, transport)
    const other = await openHouse(own, transport)
    const pid = await other.worker.run(use)
    const fairy = await pool.connect()
    // A reporter of another pool: at worst all of its age are replaced, and this one is not touched.
    await other.pool.invalidate(fairy as never)
    expect(fairy.isValid).toBe(false)
    await fairy.close()
    const seen = await worker.run(async ({ kept, failureOf }) => {
      const conn = await kept<PoolClient<Client>>('pool').connect()
      const end = await failureOf(() => (conn as unknown as Client).end())
      const answer = (await conn.query('select 3 as n')).rows
      await conn.close()
      return { end: end.code, answer }
    })
    expect(seen).toEqual({ end: 'FAIRYPOOL_METHOD_NOT_ALLOWED', answer: [{ n: 3 }] })
    expect(typeof pid).toBe('number')
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0 })
    await eventually(() => other.pool.status()).toMatchObject({ checkedout: 0 })
  })

  it('fault 18: callers who leave in the very moment in which they are served take no place with them', async () => {
    const { pool, worker, another } = await openHouse(own, transport)
    const threads = [worker, await another()]
    const race = async ({ kept }: WorkerContext, rounds: number): Promise<number[]> => {
      const pool = kept<PoolClient<Client>>('pool')
      const counts = [0, 0]
      const caller = async (round: number): Promise<void> => {
        const controller = new AbortController()
        const connecting = pool.connect({ signal: controller.signal, timeoutMs: 1 + (round % 5) })
        if (round % 3 === 0) queueMicrotask(() => controller.abort())
        if (round % 3 === 1) setImmediate(() => controller.abort())
        try {
          const conn = await connecting
          if (round % 2 === 0) await conn.query('select 1')
          await conn.close()
          counts[0]!++
        } catch {
          counts[1]!++
        }
      }
      for (let round = 0; round < rounds; round++)
        await Promise.all([caller(round), caller(round + 1), caller(round + 2)])
      return counts
    }
    const counts = await Promise.all(threads.map(thread => thread.run(race, 100)))
    for (const [served, left] of counts) expect(served! + left!).toBe(300)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
    await Promise.all(threads.map(thread => thread.run(use)))
    await eventually(() => own.view.pids()).toHaveLength(1)
  })

  it('fault 18: who leaves while his connection is validated leaves it to the next', async () => {
    const { pool, proxy, worker, another } = await openHouse(own, transport, { prePing: true, pingIntervalMs: 0 })
    const pid = await worker.run(use)
    proxy.delayMs = 150
    const failure = await worker.run(({ kept, failureOf }) =>
      failureOf(() => kept<PoolClient<Client>>('pool').connect({ timeoutMs: 50 })),
    )
    expect(failure.class).toBe('TimeoutError')
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0 })
    await proxy.mend()
    // The same, or another where the ping was cut off; in any case there is one, and one only.
    expect(typeof (await (await another()).run(use))).toBe('number')
    expect(typeof pid).toBe('number')
    await eventually(() => own.view.pids()).toHaveLength(1)
  })

  it('fault 19: a fairy that is forgotten in the middle of a transaction comes home when it is collected, and says where it was lost', async () => {
    const { pool, worker, another } = await openHouse(own, transport, { traceCheckouts: true })
    await worker
      .run(async ({ kept }) => {
        const conn = await kept<PoolClient<Client>>('pool').connect()
        await conn.query('begin')
        await conn.query('insert into notes values (1)')
        throw new Error('before anything could be closed')
      })
      .catch(() => {})
    const waiting = (await another()).run(find)
    await eventually(async () => {
      await worker.run(context => context.collect())
      return pool.status().waiting
    }).toBe(0)
    expect(await waiting).toEqual([{ notes: 0, alone: true }])
    const warnings = await worker.run(({ warnings }) => warnings.map(({ code, detail }) => ({ code, detail })))
    expect(warnings).toEqual([{ code: 'FAIRYPOOL_LOST_FAIRY', detail: expect.stringContaining('evalmachine') }])
  })
})
