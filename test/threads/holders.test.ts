import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { TimeoutError } from '../../src/base/errors.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { failureOf } from '../support/observe.ts'
import { OwnServer } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()

/** A worker that holds a connection and has sent a statement with a secret value over it. */
async function holding(text: string, ...values: readonly string[]): Promise<TestWorker> {
  const worker = startWorker()
  await worker.run(
    async ({ attach, keep }, text, values) => {
      const conn = keep('conn', await keep('pool', await attach<Client>()).connect({ timeoutMs: 20_000 }))
      await conn.query(text, [...values])
    },
    text,
    values,
  )
  return worker
}

/** It stays out, and its thread has noted since when. */
const grown = (pool: QueuePool<Client>) => eventually(() => pool.custody.now()[0]?.heldMs).toBeGreaterThan(0)

describe.each(['direct', 'remote'] as const)('holders() of a pool whose transport is %s', transport => {
  const open = (options: PoolOptions<Client> = {}): QueuePool<Client> =>
    own.pool('a Unix socket', transport === 'remote' ? { transport, ...options } : options)

  it('says which thread, since when, and the last statement; never its values', async () => {
    const pool = open()
    const worker = await holding('select $1::text as a', 'hunter2')
    await grown(pool)
    const holders = await pool.holders()
    expect(holders).toMatchObject([
      {
        threadId: worker.threadId,
        use: 'connect',
        statement: 'select $1::text as a',
        task: undefined,
        stack: undefined,
      },
    ])
    expect(JSON.stringify(holders)).not.toContain('hunter2')
    const there = await worker.run(({ kept }) => kept<PoolClient>('pool').holders())
    expect(there).toMatchObject([{ ...holders[0], heldMs: expect.any(Number) }])
    expect(there[0]!.heldMs).toBeGreaterThanOrEqual(holders[0]!.heldMs!)
    await worker.run(({ kept }) => kept<{ close(): Promise<void> }>('conn').close())
    expect(await pool.holders()).toEqual([])
  })

  it('cuts a long text', async () => {
    const pool = open()
    await holding(`select '${'x'.repeat(5000)}'`)
    const [holder] = await pool.holders()
    expect(holder!.statement).toBe(`${`select '${'x'.repeat(5000)}'`.slice(0, 300)}…`)
  })

  it('says where it was checked out, if that is traced', async () => {
    const pool = open({ traceCheckouts: true })
    await holding('select 1')
    expect((await pool.holders())[0]!.stack).toMatch(/\n {4}at /)
  })

  it('says so of a checkout that was made while somebody waited, and of no other; nobody is warned by it', async () => {
    const pool = open()
    const first = await holding('select 1')
    expect((await pool.holders())[0]!.stack).toBeUndefined()
    const waiting = pool.connect()
    await eventually(() => pool.status().waiting).toBe(1)
    const second = startWorker()
    const served = second.run(async ({ attach, keep, say }) => {
      const pool = await attach()
      const checkout = pool.connect()
      say('waits')
      keep('conn', await checkout)
    })
    await second.hear()
    await first.run(({ kept }) => kept<{ close(): Promise<void> }>('conn').close())
    await (await waiting).close()
    await served
    expect(await pool.holders()).toMatchObject([
      { threadId: second.threadId, stack: expect.stringMatching(/\n {4}at /) },
    ])
    const warned = await second.run(async ({ drop, collect, warnings }) => {
      drop('conn')
      const pause = () => new Promise(resolve => setTimeout(resolve, 30))
      await pause()
      await collect()
      await pause()
      return warnings.length
    })
    await eventually(() => pool.holders()).toEqual([])
    expect(warned).toBe(0)
  })

  it('is not kept waiting by a thread that is blocked: what only that knows is unknown', async () => {
    const pool = open()
    const worker = await holding('select 1')
    await grown(pool)
    const flag = new Int32Array(new SharedArrayBuffer(4))
    const blocked = worker.run(({ say }, flag) => {
      say('blocks')
      return new Promise(resolve => setImmediate(() => resolve(Atomics.wait(flag, 0, 0, 20_000))))
    }, flag)
    await worker.hear()
    const statement = transport === 'direct' ? 'unknown' : 'select 1'
    const expected = [{ threadId: worker.threadId, use: 'connect', statement, heldMs: expect.any(Number) }]
    await eventually(() => pool.holders()).toMatchObject(expected)
    const before = performance.now()
    const error = (await failureOf(pool.connect({ timeoutMs: 50 }))) as TimeoutError
    const elapsedMs = performance.now() - before
    expect(error.holders).toMatchObject(expected)
    expect(Atomics.notify(flag, 0)).toBe(1)
    expect(await blocked).toBe('ok')
    expect(elapsedMs).toBeLessThan(5000)
    await eventually(() => pool.holders()).toMatchObject([{ statement: 'select 1' }])
  })

  it('names what runs for pool.query() as such: nobody holds it', async () => {
    const pool = open()
    const worker = startWorker()
    const answer = worker.run(async ({ attach }) => {
      const pool = await attach<Client>()
      return (await pool.query<{ rows: unknown[] }>('select 1 as one, pg_sleep($1)', [1])).rows.length
    })
    const threadId = transport === 'direct' ? worker.threadId : 0
    const statement = 'select 1 as one, pg_sleep($1)'
    await eventually(() => pool.holders()).toMatchObject([{ threadId, use: 'query', statement }])
    expect(await answer).toBe(1)
    await eventually(() => pool.holders()).toEqual([])
    const fairy = await pool.connect()
    expect(await pool.holders()).toMatchObject([{ threadId: 0, use: 'connect', statement: undefined }])
    await fairy.close()
  })

  it('is what every TimeoutError says as well, in each thread', async () => {
    const pool = open({ timeoutMs: 20, connectTimeoutMs: 10_000 })
    const worker = await holding('select $1::int as n', '7')
    await grown(pool)
    const expected = [{ threadId: worker.threadId, use: 'connect', statement: 'select $1::int as n' }]
    const here = (await failureOf(pool.connect())) as TimeoutError
    expect(here.holders).toMatchObject(expected)
    const text = new RegExp(`Held by thread ${worker.threadId} for \\d+ ms, last statement: select \\$1::int as n\\.`)
    expect(here.message).toMatch(text)
    const other = startWorker()
    const late = (verb: 'connect' | 'query') =>
      other.run(async ({ attach, failureOf }, verb) => {
        const pool = await attach()
        return failureOf(() => (verb === 'connect' ? pool.connect() : pool.query('select 1')))
      }, verb)
    const failure = {
      class: 'TimeoutError',
      message: expect.stringMatching(text),
      fields: { phase: 'wait', holders: expected },
    }
    // Where the machine is so busy that the coordinator does not answer in time, a thread says what it knows by itself.
    await eventually(() => late('connect')).toMatchObject(failure)
    await eventually(() => late('query')).toMatchObject(failure)
  })
})
