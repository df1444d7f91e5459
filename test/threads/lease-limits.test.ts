import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { MemoryLogger } from '../support/observe.ts'
import { OwnServer, pidOf } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()

type Conn = Client & { close(): Promise<void>; readonly isValid: boolean }

/** A worker that has lent itself a connection of which the coordinator has not heard. */
async function holding(pool: QueuePool<Client>): Promise<TestWorker> {
  await pidOf(pool)
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => {
    const pool = keep('pool', await attach<Client>())
    await (await pool.connect()).close()
    const conn = keep('conn', await pool.connect())
    keep('client', conn.connection)
  })
  return worker
}

describe.each(['direct', 'remote'] as const)('where the transport is %s,', transport => {
  const open = (options: PoolOptions<Client>): QueuePool<Client> =>
    own.pool('a Unix socket', transport === 'remote' ? { transport, ...options } : options)

  it('maxLeaseMs takes a connection away from a thread: its query is cancelled, the next caller served, the fairy stale', async () => {
    const pool = open({ maxLeaseMs: 400 })
    const worker = await holding(pool)
    const [pid] = await own.view.pids()
    const asleep = worker.run(({ kept, failureOf, say }) => {
      const failing = failureOf(() => kept<Conn>('conn').query('select pg_sleep(600)'))
      say('asks')
      return failing
    })
    await worker.hear()
    const fairy = await pool.connect()
    const next = (await fairy.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid
    expect(next).not.toBe(pid)
    const failure = await asleep
    if (transport === 'remote') expect(failure).toMatchObject({ class: 'StaleLeaseError' })
    else expect(failure.message).toMatch(/cancel|terminated/i)
    await eventually(() => own.view.pids()).toEqual([next])
    await fairy.close()
    const after = await worker.run(async ({ kept, failureOf }) => {
      const conn = kept<Conn>('conn')
      const stale = [await failureOf(() => conn.query('select 1')), await failureOf(() => conn.query('select 2'))]
      const client = kept<Client | undefined>('client')
      const raw = client && (await failureOf(() => client.query('select 1')))
      const { isValid } = conn
      await conn.close()
      return { stale, raw: raw?.class, isValid }
    })
    const stale = {
      class: 'StaleLeaseError',
      code: 'FAIRYPOOL_STALE_LEASE',
      message: expect.stringContaining('maxLeaseMs'),
    }
    expect(after).toMatchObject({ stale: [stale, stale], isValid: false })
    expect(typeof after.raw).toBe(transport === 'direct' ? 'string' : 'undefined')
    const again = await worker.run(({ kept }) =>
      kept<PoolClient<Client>>('pool').use(
        async conn => (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number,
      ),
    )
    expect([again, pool.status().checkedout]).toEqual([next, 0])
  })

  it('maxLeaseMs takes it from a thread that is blocked, which finds out at its first call', async () => {
    const pool = open({ maxLeaseMs: 300 })
    const worker = await holding(pool)
    const flag = new Int32Array(new SharedArrayBuffer(4))
    const woken = worker.run(({ kept, failureOf, say }, flag) => {
      say('blocks')
      return new Promise<Awaited<ReturnType<typeof failureOf>>>(resolve =>
        setImmediate(() => {
          Atomics.wait(flag, 0, 0, 60_000)
          resolve(failureOf(() => kept<Conn>('conn').query('select 1')))
        }),
      )
    }, flag)
    await worker.hear()
    const fairy = await pool.connect()
    Atomics.store(flag, 0, 1)
    Atomics.notify(flag, 0)
    expect(await woken).toMatchObject({ class: 'StaleLeaseError', message: expect.stringContaining('maxLeaseMs') })
    expect((await fairy.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await fairy.close()
  })

  it('maxLeaseMs leaves alone who is quick, and the statements of query()', async () => {
    const logger = new MemoryLogger()
    const pool = open({ maxLeaseMs: 1000, logger })
    const worker = await holding(pool)
    await worker.run(async ({ kept }) => {
      await kept<Conn>('conn').close()
      const pool = kept<PoolClient<Client>>('pool')
      const until = performance.now() + 1500
      while (performance.now() < until) await pool.use(conn => conn.query('select 1'))
      await pool.query('select pg_sleep(1.5)')
    })
    expect(logger.lines).toEqual([])
  })

  it("leakDetectionMs warns with what the holder's thread knows, and tells when it comes home after all", async () => {
    const logger = new MemoryLogger()
    open({ leakDetectionMs: 200, traceCheckouts: true, logger })
    const worker = startWorker()
    // In one go: it is asked for what it knows 200 ms after the checkout.
    await worker.run(async ({ attach, keep }) => {
      const conn = keep('conn', await (await attach<Client>()).connect())
      await conn.query('select $1::text as t', ['hunter2'])
    })
    await eventually(() => logger.lines.length).toBe(1)
    expect(logger.lines[0]).toMatch(
      new RegExp(
        `may be leaked .*thread ${worker.threadId} for \\d+ ms, last statement: select \\$1::text as t; checked out\\n {4}at `,
      ),
    )
    await worker.run(({ kept }) => kept<Conn>('conn').close())
    await eventually(() => logger.lines.length).toBe(2)
    expect(logger.lines[1]).toMatch(new RegExp(`given back after all: thread ${worker.threadId} `))
    expect(logger.lines.join()).not.toContain('hunter2')
  })

  it('a thread that dies with what was taken away from it leaves nothing behind', async () => {
    const pool = open({ maxLeaseMs: 200 })
    const worker = await holding(pool)
    const fairy = await pool.connect()
    await worker.terminate()
    await fairy.close()
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    await eventually(() => own.view.pids()).toHaveLength(1)
  })
})
