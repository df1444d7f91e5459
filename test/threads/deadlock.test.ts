import { fileURLToPath } from 'node:url'
import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Holder } from '../../src/base/holder.ts'
import { createWorkers } from '../../src/coordinator/workers.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()
const filename = fileURLToPath(new URL('../workers/deadlock-tasks.js', import.meta.url))

/** Nobody shall be told by a deadline. */
const patient: PoolOptions<Client> = { detectDeadlocks: true, timeoutMs: 100_000 }

/** A worker that keeps a pool, and a connection of it. */
async function holding(): Promise<TestWorker> {
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => {
    const pool = keep('pool', await attach<Client>())
    keep('conn', await pool.connect())
  })
  return worker
}

/** It wants one more, and then has nothing else to do; how that goes. Whoever fails lets go what it has. */
function wantOneMore(worker: TestWorker) {
  const outcome = worker.run(async ({ kept, failureOf }) => {
    const conn = kept<{ close(): Promise<void> }>('conn')
    let second: { close(): Promise<void> } | undefined
    const work = async (): Promise<void> => {
      second = await kept<PoolClient>('pool').connect()
    }
    const failure = await failureOf(async () => {
      await work()
      throw new Error('served')
    })
    await second?.close()
    await conn.close()
    return failure
  })
  worker.release()
  return outcome
}

describe.each(['direct', 'remote'] as const)('where the transport is %s,', transport => {
  const open = (options: PoolOptions<Client> = {}): QueuePool<Client> =>
    own.pool('a Unix socket', { ...patient, ...(transport === 'remote' ? { transport } : {}), ...options })

  it('threads that hold all connections and want one more each: the youngest fails at once, the others go on', async () => {
    const pool = open({ poolSize: 3 })
    const workers = [await holding(), await holding(), await holding()]
    const threadIds = workers.map(({ threadId }) => threadId)
    const before = performance.now()
    const outcomes: Promise<{ class: string; message: string; fields: Readonly<Record<string, unknown>> }>[] = []
    for (const [index, worker] of workers.entries()) {
      outcomes.push(wantOneMore(worker))
      if (index < 2) await eventually(() => pool.status().waiting).toBe(index + 1)
    }
    const failures = await Promise.all(outcomes)
    expect(performance.now() - before).toBeLessThan(20_000)
    expect(failures.map(failure => failure.class)).toEqual(['Error', 'Error', 'DeadlockError'])
    const [, , { fields, message }] = failures as [unknown, unknown, (typeof failures)[0]]
    expect(message).toMatch(/^Deadlock: all 3 connections are held by threads whose callers wait for one more/)
    const holders = fields.holders as Holder[]
    expect(holders.map(({ threadId }) => threadId).sort()).toEqual(threadIds.sort())
    for (const { stack, use } of holders) expect([use, stack]).toEqual(['connect', expect.stringMatching(/\n {4}at /)])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 3, checkedout: 0, waiting: 0 })
  })

  it('one task that borrows within its own borrowing', async () => {
    const pool = open({ poolSize: 1 })
    expect(await wantOneMore(await holding())).toMatchObject({ class: 'DeadlockError', code: 'FAIRYPOOL_DEADLOCK' })
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('tasks of Piscina that do so: some fail, all end', async () => {
    const pool = open({ poolSize: 3 })
    const piscina = createWorkers(pool, { filename, minThreads: 3, maxThreads: 3 })
    onTestFinished(() => piscina.destroy())
    const task = { holding: new Int32Array(new SharedArrayBuffer(4)), all: 3 }
    const before = performance.now()
    const seen = await Promise.all(Array.from({ length: 3 }, () => piscina.run(task) as Promise<string>))
    const later = await Promise.all(Array.from({ length: 9 }, () => piscina.run(task) as Promise<string>))
    expect(performance.now() - before).toBeLessThan(30_000)
    expect(seen.sort()).toEqual(['FAIRYPOOL_DEADLOCK 3', 'both', 'both'])
    for (const each of later) expect(each).toMatch(/^(both|FAIRYPOOL_DEADLOCK 3)$/)
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })

  it('a thread-local checkout and a uniqueConnection() beside it', async () => {
    open({ poolSize: 1, useThreadlocal: true })
    const worker = startWorker()
    const outcome = worker.run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      const outer = await pool.connect()
      const inner = await pool.connect()
      const failure = await failureOf(() => pool.uniqueConnection())
      await inner.close()
      const { isValid } = outer
      await outer.close()
      return { class: failure.class, isValid }
    })
    worker.release()
    expect(await outcome).toEqual({ class: 'DeadlockError', isValid: true })
  })

  it('a query() of the pool for which nothing is left', async () => {
    open({ poolSize: 1 })
    const worker = await holding()
    const outcome = worker.run(({ kept, failureOf }) => failureOf(() => kept<PoolClient>('pool').query('select 1')))
    worker.release()
    if (transport === 'direct') expect(await outcome).toMatchObject({ class: 'DeadlockError' })
    // The coordinator's thread waits for it there, which holds nothing, so nobody can say that it would not be served.
    else await worker.terminate().then(() => outcome.catch(() => {}))
  })

  it('is not one where somebody is only slow: a query of his is under way', async () => {
    open({ poolSize: 1 })
    const worker = await holding()
    const outcome = worker.run(async ({ kept }) => {
      const conn = kept<Client & { close(): Promise<void> }>('conn')
      const pool = kept<PoolClient<Client>>('pool')
      const waiting = pool.use(second => second.query('select 2 as n'))
      await conn.query('select pg_sleep(0.7)')
      await conn.close()
      return (await waiting).rows
    })
    worker.release()
    expect(await outcome).toEqual([{ n: 2 }])
  })

  it.each([
    ['a timer', `await new Promise(resolve => setTimeout(resolve, 700))`],
    [
      'an interval',
      `await new Promise(resolve => { let n = 0; const t = setInterval(() => ++n === 7 && (clearInterval(t), resolve()), 100) })`,
    ],
    ['a promise of a timer', `await require('node:timers/promises').setTimeout(700)`],
    [
      'a job of the thread pool',
      `await new Promise(resolve => { let n = 0; const next = () => n++ === 8 ? resolve() : require('node:crypto').scrypt('a', 'b', 64, { N: 2 ** 15, maxmem: 2 ** 28 }, next); next() })`,
    ],
    ['files', `for (let n = 0; n < 300; n++) await require('node:fs/promises').stat('/')`],
    [
      'a socket',
      `await new Promise(resolve => { const { createServer, connect } = require('node:net'); const server = createServer(socket => setTimeout(() => socket.end(), 700)).listen(0, () => connect(server.address().port).once('close', () => server.close(resolve))) })`,
    ],
    [
      'another process',
      `await new Promise(resolve => require('node:child_process').execFile(process.execPath, ['-e', 'setTimeout(() => {}, 300)'], resolve))`,
    ],
    [
      'another thread',
      `await new Promise(resolve => new (require('node:worker_threads').Worker)('setTimeout(() => {}, 700)', { eval: true }).once('exit', resolve))`,
    ],
  ])('is not one where a holder waits for %s, and will close', async (_what, wait) => {
    open({ poolSize: 2 })
    const stuck = await holding()
    const worker = await holding()
    const outcome = worker.run(async ({ kept, require }, wait) => {
      const conn = kept<{ close(): Promise<void> }>('conn')
      const pool = kept<PoolClient<Client>>('pool')
      const waiting = pool.use(second => second.query('select 2 as n'))
      await (new Function('require', `return (async () => { ${wait} })()`)(require) as Promise<void>)
      await conn.close()
      return (await waiting).rows
    }, wait)
    const other = wantOneMore(stuck)
    worker.release()
    expect(await outcome).toEqual([{ n: 2 }])
    expect((await other).message).toBe('served')
  })

  it('is not one where a thread can be spoken to, by whoever', async () => {
    const pool = open({ poolSize: 1 })
    const worker = await holding()
    const waiting = worker.run(async ({ kept }) => {
      await (await kept<PoolClient>('pool').connect()).close()
      return 'served'
    })
    await eventually(() => pool.status().waiting).toBe(1)
    await new Promise(resolve => setTimeout(resolve, 500))
    await worker.run(({ kept }) => kept<{ close(): Promise<void> }>('conn').close())
    expect(await waiting).toBe('served')
  })

  it('is not one where a holder has forgotten his connection: that comes home, and serves who waits', async () => {
    open({ poolSize: 1 })
    const worker = await holding()
    await worker.run(({ drop }) => drop('conn'))
    const outcome = worker.run(async ({ kept }) => {
      await (await kept<PoolClient>('pool').connect()).close()
      return 'served'
    })
    worker.release()
    expect(await outcome).toBe('served')
  })

  it('is looked for nowhere but where it is asked for', async () => {
    open({ poolSize: 1, detectDeadlocks: false, timeoutMs: 700, connectTimeoutMs: 20_000 })
    expect(await wantOneMore(await holding())).toMatchObject({ class: 'TimeoutError' })
  })
})

it('is not one where a thread listens to the server on what it holds', async () => {
  own.pool('a Unix socket', { ...patient, poolSize: 1 })
  const worker = await holding()
  const outcome = worker.run(async ({ kept }) => {
    const conn = kept<Client & { close(): Promise<void> }>('conn')
    await conn.query('listen news')
    const heard = new Promise<void>(resolve => conn.on('notification', () => resolve()))
    const waiting = kept<PoolClient>('pool').use(async () => 'served')
    await heard
    await conn.close()
    return waiting
  })
  worker.release()
  await new Promise(resolve => setTimeout(resolve, 700))
  await own.view.query('notify news')
  expect(await outcome).toBe('served')
})

it('is not looked for where somebody listens to beforeExit: he would hear of an end that is none', async () => {
  own.pool('a Unix socket', { ...patient, poolSize: 1 })
  const worker = await holding()
  const outcome = worker.run(async ({ kept, failureOf }) => {
    let heard = 0
    process.on('beforeExit', () => heard++)
    const failure = await failureOf(() => kept<PoolClient>('pool').connect({ timeoutMs: 700 }))
    return [failure.class, heard]
  })
  worker.release()
  expect(await outcome).toEqual(['TimeoutError', 0])
})
