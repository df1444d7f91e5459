import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { OpenContext } from '../../src/dialects/dialect.ts'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import type { WorkerContext } from '../support/worker-context.ts'
import { openHouse, transports } from './house.ts'
import { failToConnect, failuresOf, use, useMany } from './scripts.ts'

const own = OwnServer.forThisFile()

/** A burst of calls at once: how many were answered. */
const burst = async ({ kept }: WorkerContext, count: number): Promise<number> => {
  const pool = kept<PoolClient<Client>>('pool')
  const calls = Array.from({ length: count }, () => pool.use(conn => conn.query('select pg_sleep(0.002)')))
  return (await Promise.allSettled(calls)).filter(({ status }) => status === 'fulfilled').length
}

describe.each(transports)('%s:', transport => {
  it('fault 16: connections that were opened together do not expire together, and nobody fails by it', async () => {
    const { pool, worker } = await openHouse(own, transport, { poolSize: 8, maxLifetimeMs: 2500 })
    const born = new Map<object, number>()
    pool.on('connect', client => void born.set(client, performance.now()))
    // How old each became: up to a tenth less than it might, and eight of them spread over that.
    const ages: number[] = []
    pool.on('close', client => void ages.push(performance.now() - born.get(client)!))
    await worker.run(useMany, 8)
    await eventually(() => ages.length).toBe(8)
    expect(Math.max(...ages) - Math.min(...ages)).toBeGreaterThan(100)
    expect(await worker.run(failuresOf, 8)).toEqual([])
  })

  it('fault 20: holders who all want one more: the youngest is told at once, and the others go on', async () => {
    const { pool, worker, another } = await openHouse(own, transport, { poolSize: 2, detectDeadlocks: true })
    const threads = [worker, await another()]
    const hold = async ({ kept, keep }: WorkerContext): Promise<void> => {
      await keep('outer', await kept<PoolClient<Client>>('pool').connect()).query('select 1')
    }
    await Promise.all(threads.map(thread => thread.run(hold)))
    const nest = async ({ kept }: WorkerContext): Promise<string> => {
      const outcome = await kept<PoolClient<Client>>('pool')
        .connect()
        .then(
          async conn => {
            await conn.close()
            return 'served'
          },
          (error: Error) => error.name,
        )
      await kept<Fairy<Client>>('outer').close()
      return outcome
    }
    const nested = threads.map(thread => thread.run(nest))
    // With an ear for the test they would have something else to do.
    for (const thread of threads) thread.release()
    const ended = await Promise.all(nested)
    expect(ended.sort()).toEqual(['DeadlockError', 'served'])
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })

  it('fault 20: where nobody looks for that, all are told at their deadlines, and by whom the connections are held', async () => {
    const { pool, worker } = await openHouse(own, transport, { poolSize: 2 })
    const failures = await worker.run(async ({ kept, failureOf }) => {
      const pool = kept<PoolClient<Client>>('pool')
      const outer = [await pool.connect(), await pool.connect()]
      const failures = await Promise.all(outer.map(() => failureOf(() => pool.connect({ timeoutMs: 100 }))))
      for (const conn of outer) await conn.close()
      return failures
    })
    for (const failure of failures) {
      expect(failure).toMatchObject({ class: 'TimeoutError', fields: { phase: 'wait', leased: 2 } })
      expect(failure.fields.holders).toHaveLength(2)
    }
    await worker.run(useMany, 2)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 2, checkedout: 0 })
  })

  it('fault 21: a burst while connections are slow to open opens as many as there are places, and keeps as many as it should', async () => {
    const { pool, proxy, worker, another } = await openHouse(own, transport, { poolSize: 3, maxOverflow: 5 })
    await worker.run(useMany, 3)
    proxy.delayMs = 20
    const threads = [worker, await another()]
    const answered = await Promise.all(threads.map(thread => thread.run(burst, 50)))
    expect(answered).toEqual([50, 50])
    // Those who wait are served by what comes home, and nobody opens a connection for them that they do not need any more.
    expect(proxy.attempts).toBeLessThanOrEqual(3 + 2 * 5)
    await proxy.mend()
    await eventually(() => own.view.pids().then(pids => pids.length)).toBeLessThanOrEqual(3)
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })

  it('fault 22: callers beyond maxWaiters are refused at once, and those who wait are served', async () => {
    const { pool, worker, another } = await openHouse(own, transport, { maxWaiters: 4 })
    const held = await pool.connect()
    const crowd = async ({ kept }: WorkerContext): Promise<string[]> => {
      const pool = kept<PoolClient<Client>>('pool')
      const one = () =>
        pool
          .use(conn => conn.query('select 1'))
          .then(
            () => 'served',
            (error: Error) => error.name,
          )
      return Promise.all(Array.from({ length: 6 }, one))
    }
    const first = worker.run(crowd)
    await eventually(() => pool.status().waiting).toBe(4)
    const refused = await (await another()).run(crowd)
    expect(new Set(refused)).toEqual(new Set(['QueueFullError']))
    await held.close()
    expect((await first).sort()).toEqual(['QueueFullError', 'QueueFullError', 'served', 'served', 'served', 'served'])
  })

  it('fault 22: a thread with a single caller is not starved by one with fifty', async () => {
    const { worker, another } = await openHouse(own, transport)
    const other = await another()
    await Promise.all([worker, other].map(thread => thread.run(use)))
    let isOver = false
    const crowded = worker.run(burst, 300).then(answered => {
      isOver = true
      return answered
    })
    let turns = 0
    for (; !isOver; turns++) await other.run(use)
    expect(await crowded).toBe(300)
    // A fair share would be half; at least one turn in twenty is bounded by the hand-overs that a thread may make by itself.
    expect(turns).toBeGreaterThan(5)
  })

  it('fault 22: who reads slowly is sent no more than he reads', async () => {
    const { worker } = await openHouse(own, transport)
    const fetched = await worker.run(async ({ kept }) => {
      const pool = kept<PoolClient<Client>>('pool')
      const conn = await pool.connect()
      await conn.query('create temp sequence read_so_far')
      const text = "select nextval('read_so_far')::int as n, repeat('x', 1000) as t from generate_series(1, 100000)"
      const cursor = conn.cursor(text, [], { batchSize: 10 })
      for (let i = 0; i < 5; i++) await cursor.next()
      await new Promise(resolve => setTimeout(resolve, 100))
      await cursor.return?.()
      const { rows } = await conn.query('select last_value::int as n from read_so_far')
      await conn.close()
      return rows[0].n as number
    })
    expect(fetched).toBeLessThanOrEqual(40)
  })

  it.each(['throws', 'rejects', 'gives nothing', 'never returns', 'gives one twice'] as const)(
    'fault 23: a creator that %s fails its caller, and the next opens well',
    async how => {
      let bad = 1
      let last: Client | undefined
      const { pool, worker } = await openHouse(own, transport, {
        poolSize: 2,
        connectTimeoutMs: how === 'never returns' ? 2000 : 20_000,
        dialect: dialect => ({
          connect: async (record, context: OpenContext) => {
            if (last === undefined || bad === 0) {
              last = await dialect.connect!(record, context)
              return last
            }
            bad--
            if (how === 'throws') throw new Error('on purpose')
            if (how === 'rejects') return Promise.reject(new Error('on purpose'))
            if (how === 'gives nothing') return undefined as unknown as Client
            return how === 'gives one twice' ? last : new Promise<never>(() => {})
          },
        }),
      })
      await worker.run(async ({ kept, keep }) => void keep('first', await kept<PoolClient<Client>>('pool').connect()))
      const failure = await worker.run(failToConnect, 10_000)
      expect(failure.class).toMatch(/^(Error|InvalidRequestError|TimeoutError)$/)
      const pids = await worker.run(async ({ kept }) => {
        const second = await kept<PoolClient<Client>>('pool').connect()
        const pids = await Promise.all(
          [kept<Fairy<Client>>('first'), second].map(conn => conn.query('select pg_backend_pid() as pid')),
        )
        for (const conn of [kept<Fairy<Client>>('first'), second]) await conn.close()
        return pids.map(({ rows }) => rows[0].pid as number)
      })
      expect(new Set(pids).size).toBe(2)
      await eventually(() => pool.status()).toMatchObject({ checkedin: 2, checkedout: 0 })
    },
  )

  it.each(['connect', 'checkout', 'reset', 'checkin'] as const)(
    'fault 23: a %s listener that throws, rejects or never returns costs no place',
    async event => {
      const { pool, worker } = await openHouse(own, transport, { connectTimeoutMs: 2000, resetTimeoutMs: 100 })
      const ways = [
        () => {
          throw new Error('on purpose')
        },
        () => Promise.reject(new Error('on purpose')),
        // A checkin is awaited by whoever closes: it has the closer's time.
        ...(event === 'checkin' ? [] : [() => new Promise(() => {})]),
      ]
      for (const way of ways) {
        pool.once(event, way as never)
        await worker.run(({ kept }: WorkerContext) =>
          kept<PoolClient<Client>>('pool')
            .use(conn => conn.query('select 1').then(() => {}), { timeoutMs: 1000 })
            .catch(() => {}),
        )
        await worker.run(({ kept }: WorkerContext) => kept<PoolClient<Client>>('pool').use(conn => conn.invalidate()))
      }
      await worker.run(use)
      await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
    },
  )

  it.each(['opened', 'pinged', 'reset'] as const)(
    'fault 24: a pool that is disposed of while a connection is being %s closes it when it comes home, and twice is once',
    async phase => {
      const { pool, proxy, worker } = await openHouse(own, transport, { prePing: true, pingIntervalMs: 0 })
      if (phase !== 'opened') await worker.run(use)
      if (phase !== 'reset') proxy.delayMs = 100
      const work = worker.run(async ({ kept, say }, phase) => {
        const conn = await kept<PoolClient<Client>>('pool').connect()
        if (phase === 'reset') await conn.query('begin')
        say('out')
        await conn.query('select 1')
        await conn.close()
      }, phase)
      if (phase === 'reset') {
        await worker.hear()
        proxy.delayMs = 100
      }
      if (phase === 'opened') await eventually(() => proxy.attempts).toBe(1)
      else await eventually(() => pool.records.at(0)?.state).toBe('leased')
      await Promise.all([pool.dispose(), pool.dispose()])
      await work
      await eventually(() => own.view.pids()).toEqual([])
      await pool.dispose()
      await eventually(() => pool.status()).toMatchObject({ checkedin: 0, checkedout: 0 })
    },
  )

  it('fault 24: dispose({ timeoutMs, force }) takes away what does not come home, and says who had it', async () => {
    const { pool, worker } = await openHouse(own, transport, { closeTimeoutMs: 200 })
    await worker.run(async ({ kept, keep }) => {
      const conn = keep('conn', await kept<PoolClient<Client>>('pool').connect())
      await conn.query('begin')
    })
    await expect(pool.dispose({ timeoutMs: 50 })).rejects.toMatchObject({ name: 'TimeoutError' })
    await pool.dispose({ timeoutMs: 50, force: true })
    await eventually(() => own.view.pids()).toEqual([])
    const after = await worker.run(({ kept, failureOf }) =>
      failureOf(() => kept<Fairy<Client>>('conn').query('select 1')),
    )
    expect(after.class).not.toBe('TimeoutError')
  })

  it('fault 24: whoever connects after the sharing has ended is told at once', async () => {
    const { pool, worker } = await openHouse(own, transport)
    await worker.run(use)
    pool.unshare()
    const { ms, ...failure } = await worker.run(failToConnect, 30_000)
    expect(failure.class).toBe('CoordinatorLostError')
    expect(ms).toBeLessThan(10_000)
  })
})
