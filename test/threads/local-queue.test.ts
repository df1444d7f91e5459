import { threadId } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { FastToy, fastPool } from '../support/fast-toy.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { runScript, sourceUrl } from '../support/run-script.ts'
import { startWorker } from '../support/start-worker.ts'

describe('the callers of one thread', () => {
  it('are served first come, first served: a hundred of them on one connection', async () => {
    const { pool } = fastPool()
    const order = await startWorker().run(async ({ attach }) => {
      const pool = await attach()
      const order: number[] = []
      const callers = Array.from({ length: 100 }, async (_, number) => {
        const fairy = await pool.connect()
        order.push(number)
        // Some hold it for longer than others.
        if (number % 3 === 0) await new Promise(setImmediate)
        await fairy.close()
      })
      await Promise.all(callers)
      return order
    })
    expect(order).toEqual(Array.from({ length: 100 }, (_, number) => number))
    // What the thread has asked for and not needed may still be on its way home.
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })

  it('are all counted as waiting, and have one connection between them at a time', async () => {
    const { pool, made } = fastPool()
    const own = await pool.connect()
    const worker = startWorker()
    const all = worker.run(async ({ attach }) => {
      const pool = await attach()
      let out = 0
      let most = 0
      const callers = Array.from({ length: 10 }, () =>
        pool.use(async () => {
          most = Math.max(most, ++out)
          await new Promise(setImmediate)
          out--
        }),
      )
      await Promise.all(callers)
      return most
    })
    await eventually(() => pool.status().waiting).toBe(10)
    // For one of them the thread has asked: where others hold everything, one more at a time is enough.
    await eventually(() => pool.slots.waiters).toBe(1)
    await own.close()
    expect(await all).toBe(1)
    expect(made).toHaveLength(1)
  })

  it('have as many connections as there are places, at once', async () => {
    const { pool, made } = fastPool({ poolSize: 3, maxOverflow: 1 })
    const most = await startWorker().run(async ({ attach }) => {
      const pool = await attach()
      const fairies = await Promise.all([pool.connect(), pool.connect(), pool.connect(), pool.connect()])
      const valid = fairies.filter(({ isValid }) => isValid).length
      for (const fairy of fairies) await fairy.close()
      return valid
    })
    expect(most).toBe(4)
    expect(made).toHaveLength(4)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 3, checkedout: 0 })
  })

  it('leave when their time is up, not before and in the order of their deadlines, and are told all there is to tell', async () => {
    let isBroken = true
    const { pool } = fastPool(
      {},
      {
        connect() {
          if (isBroken) throw new RangeError('on purpose')
          return new FastToy(1)
        },
      },
    )
    await pool.connect().catch(() => {})
    isBroken = false
    const own = await pool.connect()
    const failures = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach()
      const start = performance.now()
      const failures: { elapsedMs: number; timeoutMs: number; failure: unknown }[] = []
      const wait = async (timeoutMs: number): Promise<void> => {
        const failure = await failureOf(() => pool.connect({ timeoutMs }))
        failures.push({ elapsedMs: performance.now() - start, timeoutMs, failure })
      }
      await Promise.all([240, 20, 120].map(wait))
      return failures
    })
    expect(failures.map(({ timeoutMs }) => timeoutMs)).toEqual([20, 120, 240])
    for (const { elapsedMs, timeoutMs } of failures) expect(elapsedMs).toBeGreaterThanOrEqual(timeoutMs - 1)
    for (const [index, { failure, timeoutMs }] of failures.entries()) {
      expect(failure).toMatchObject({
        class: 'TimeoutError',
        fields: {
          phase: 'wait',
          timeoutMs,
          total: 1,
          idle: 0,
          leased: 1,
          holders: [expect.objectContaining({ threadId, use: 'connect' })],
          waiting: 3 - index,
        },
        cause: { message: 'on purpose' },
      })
    }
    await eventually(() => [pool.status().waiting, pool.slots.waiters]).toEqual([0, 0])
    await own.close()
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })

  it('are told that it was opening that took so long, and the connection comes home to others', async () => {
    let open = (_connection: FastToy): void => {}
    const { pool } = fastPool({}, { connect: () => new Promise<FastToy>(resolve => (open = resolve)) })
    const failure = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach()
      return failureOf(() => pool.connect({ timeoutMs: 30 }))
    })
    expect(failure).toMatchObject({ class: 'TimeoutError', fields: { phase: 'connect', timeoutMs: 30, total: 1 } })
    const next = pool.connect()
    open(new FastToy(7))
    expect((await next).number).toBe(7)
    await (await next).close()
  })

  it('are told in time by their own thread where the coordinator is busy', async () => {
    const { pool } = fastPool()
    const own = await pool.connect()
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => void keep('pool', await attach()))
    const flag = new Int32Array(new SharedArrayBuffer(4))
    const failing = worker.run(async ({ kept, failureOf }, flag) => {
      const failure = await failureOf(() => kept<PoolClient>('pool').connect({ timeoutMs: 20 }))
      Atomics.store(flag, 0, 1)
      Atomics.notify(flag, 0)
      return failure
    }, flag)
    expect(Atomics.wait(flag, 0, 0, 20_000)).toBe('ok')
    expect(await failing).toMatchObject({
      class: 'TimeoutError',
      fields: { phase: 'wait', timeoutMs: 20, leased: 1, total: 1 },
    })
    await eventually(() => pool.slots.waiters).toBe(0)
    await own.close()
  })

  it('leave when their signal aborts, from anywhere in the queue; the others keep their order', async () => {
    const { pool } = fastPool()
    const own = await pool.connect()
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const pool = keep('pool', await attach())
      const controller = keep('controller', new AbortController())
      const order: (number | string)[] = []
      const callers = Array.from({ length: 6 }, (_, number) =>
        pool
          .use(() => void order.push(number), number % 2 === 0 ? { signal: controller.signal } : {})
          .catch(error => {
            order.push(`${number} ${(error as Error).message}`)
          }),
      )
      keep('order', { all: Promise.all(callers).then(() => order) })
    })
    await eventually(() => pool.status().waiting).toBe(6)
    await worker.run(({ kept }) => kept<AbortController>('controller').abort(new RangeError('enough')))
    expect(pool.status().waiting).toBe(3)
    await own.close()
    const order = await worker.run(({ kept }) => kept<{ all: Promise<unknown[]> }>('order').all)
    expect(order).toEqual(['0 enough', '2 enough', '4 enough', 1, 3, 5])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })

  it('do not wait with timeoutMs 0: they take what is idle, or open where there is room, or fail at once (45)', async () => {
    const { pool, made } = fastPool({ poolSize: 2 })
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach()
      const now = { timeoutMs: 0 }
      const one = await pool.connect(now)
      const two = await pool.connect(now)
      const full = await failureOf(() => pool.connect(now))
      await one.close()
      const three = await pool.connect(now)
      const behind = pool.connect()
      const queued = await failureOf(() => pool.connect(now))
      await two.close()
      const patient = await behind
      const failed = [full, queued].map(({ class: name, fields }) => [name, fields.timeoutMs])
      for (const fairy of [three, patient]) await fairy.close()
      return failed
    })
    expect(seen).toEqual(Array(2).fill(['TimeoutError', 0]))
    expect(made).toHaveLength(2)
    expect(pool.status()).toMatchObject({ checkedin: 2, checkedout: 0, waiting: 0 })
  })

  it.each([1, 3])('get an error each where opening fails, with room for %i; none of these is lost', async poolSize => {
    let left = 5
    const { pool } = fastPool(
      { poolSize },
      {
        connect() {
          if (left-- > 0) throw new RangeError(`on purpose, ${left} left`)
          return new FastToy(1)
        },
      },
    )
    const outcomes = await startWorker().run(async ({ attach }) => {
      const pool = await attach()
      const callers = Array.from({ length: 8 }, () => pool.use(() => 'served').catch((error: Error) => error.message))
      return Promise.all(callers)
    })
    expect(outcomes.filter(outcome => outcome !== 'served')).toHaveLength(5)
    expect(new Set(outcomes.filter(outcome => outcome !== 'served')).size).toBe(5)
    // What was asked for in vain may still be on its way home.
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
    const all = await Promise.all(Array.from({ length: poolSize }, () => pool.connect({ timeoutMs: 0 })))
    for (const fairy of all) await fairy.close()
  })

  it('are all told when the pool is shared no more', async () => {
    const { pool } = fastPool()
    const own = await pool.connect()
    const codes = startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach()
      const failures = await Promise.all(Array.from({ length: 5 }, () => failureOf(() => pool.connect())))
      return failures.map(({ code }) => code)
    })
    await eventually(() => pool.status().waiting).toBe(5)
    pool.unshare()
    expect(await codes).toEqual(Array(5).fill('FAIRYPOOL_COORDINATOR_LOST'))
    expect(pool.status().waiting).toBe(0)
    await own.close()
  })
})

it('a process ends by itself with an ask that stands in a thread where nobody waits', async () => {
  const worker = `
    import { attach } from '${sourceUrl('worker.js')}'
    const pool = await attach()
    const first = await pool.connect()
    const second = pool.connect()
    await new Promise(resolve => setTimeout(resolve, 50))
    await first.close()
    await (await second).close()
    console.log('end of thread')`
  const run = await runScript(`
    import { Worker } from 'node:worker_threads'
    import { createPool } from '${sourceUrl('index.js')}'
    const creator = () => ({ rollback() {}, close() {} })
    const pool = createPool({ creator, poolSize: 1, maxOverflow: 0, resetOnReturn: 'none' })
    pool.share()
    const worker = new Worker(new URL(${JSON.stringify(`data:text/javascript,${encodeURIComponent(worker)}`)}))
    worker.on('exit', () => console.log('asks', pool.slots.waiters, 'out', pool.status().checkedout))`)
  expect(run).toMatchObject({ code: 0, errors: '' })
  expect(run.output).toContain('end of thread')
})

it("a lease that was handed on within the thread is not its former holder's: a second close(), or a call, harms nobody", async () => {
  const { pool } = fastPool()
  const seen = await startWorker().run(async ({ attach, failureOf }) => {
    const pool = await attach()
    const first = (await pool.connect()) as RemoteToy
    const waiting = pool.connect()
    await first.close()
    const second = (await waiting) as RemoteToy
    const failure = await failureOf(() => first.whoami!())
    await first.close()
    await first.invalidate()
    const valid = [first.isValid, second.isValid]
    const number = (await second.whoami!()) as unknown
    await second.close()
    return { failure: failure.class, valid, number }
  })
  expect(seen).toEqual({ failure: 'InvalidRequestError', valid: [false, true], number: 1 })
  expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
})
