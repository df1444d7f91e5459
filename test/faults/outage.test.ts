import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import type { WorkerContext } from '../support/worker-context.ts'
import { type House, openHouse, transports } from './house.ts'
import { failToConnect, use, useAtLast, useMany } from './scripts.ts'

const own = OwnServer.forThisFile({ maxConnections: 8 })

/** How one of many callers has ended who came at once, and how much later than he wanted to. */
interface Ending {
  readonly name: string
  readonly cause: string | undefined
  readonly overrunMs: number
}

/** Callers with these deadlines; and how late timers were in that thread meanwhile, at worst. */
const endings = async ({ kept, require }: WorkerContext, deadlines: readonly number[]) => {
  const { monitorEventLoopDelay } = require('node:perf_hooks') as typeof import('node:perf_hooks')
  const delays = monitorEventLoopDelay({ resolution: 5 })
  delays.enable()
  const ended = await Promise.all(
    deadlines.map(async (timeoutMs): Promise<Ending> => {
      const started = performance.now()
      try {
        await (await kept<PoolClient>('pool').connect({ timeoutMs })).close()
        return { name: 'served', cause: undefined, overrunMs: 0 }
      } catch (error) {
        const { name, cause } = error as Error
        return {
          name,
          cause: (cause as Error | undefined)?.message,
          overrunMs: performance.now() - started - timeoutMs,
        }
      }
    }),
  )
  return { ended, delayMs: delays.max / 1e6 }
}

const crowd = async ({ worker, another }: House): Promise<(typeof worker)[]> => [
  worker,
  await another(),
  await another(),
]

describe.each(transports)('%s:', transport => {
  it('fault 4: while connections are refused nobody waits beyond his deadline, and few attempts are made', async () => {
    const house = await openHouse(own, transport, { poolSize: 4, retryConnect: true })
    const threads = await crowd(house)
    house.proxy.turnAway()
    const deadlines = Array.from({ length: 40 }, (_, i) => 300 + 15 * i)
    const delays = monitorEventLoopDelay({ resolution: 5 })
    delays.enable()
    const all = await Promise.all(threads.map(worker => worker.run(endings, deadlines)))
    const ended = all.flatMap(({ ended }) => ended)
    expect(ended.map(({ name }) => name)).toEqual(Array.from({ length: 120 }, () => 'TimeoutError'))
    // "On an unblocked loop": where other things run on this machine, what they cost timers is not the pool's.
    // It counts in each thread that has a part in the telling: the caller's, the owner's, and the caller's again.
    const blockedMs = delays.max / 1e6 + 2 * Math.max(...all.map(({ delayMs }) => delayMs))
    const overruns = ended.map(({ overrunMs }) => overrunMs).sort((a, b) => a - b)
    expect(overruns[Math.ceil(overruns.length * 0.99) - 1]).toBeLessThan(20 + blockedMs)
    // Who has to be told without the coordinator, as that does not answer in 100 ms, is not told why.
    for (const { cause, overrunMs } of ended) if (overrunMs < 90) expect(cause).toMatch(/ECONNRESET|terminated/)
    // Four at once, as nobody knew; then 10, 20, 40, … ms apart, less up to half, for 900 ms or so.
    expect(house.proxy.attempts).toBeGreaterThanOrEqual(5)
    expect(house.proxy.attempts).toBeLessThanOrEqual(4 + 9)
    await eventually(() => house.pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })

  it('fault 4: the first attempt that succeeds serves all who wait, and nothing needs a restart', async () => {
    const house = await openHouse(own, transport, { poolSize: 4, retryConnect: true })
    const threads = await crowd(house)
    await house.proxy.refuse()
    const served = threads.map(worker => worker.run(endings, [20_000, 20_000, 20_000]))
    // And one who needs all four at once.
    const four = house.worker.run(useMany, 4)
    await eventually(() => house.pool.status().waiting).toBeGreaterThanOrEqual(9)
    await delay(300)
    await house.proxy.mend()
    const mended = performance.now()
    const ended = (await Promise.all(served)).flatMap(({ ended }) => ended)
    expect(ended.map(({ name }) => name)).toEqual(Array.from({ length: 9 }, () => 'served'))
    expect(new Set(await four).size).toBe(4)
    // A rest of at most a second, and the opens.
    expect(performance.now() - mended).toBeLessThan(5000)
    expect(house.proxy.attempts).toBeLessThanOrEqual(4)
    await Promise.all(threads.map(worker => worker.run(use)))
  })

  it('fault 4: without retryConnect everybody hears of his own attempt; those are made one at a time too', async () => {
    const house = await openHouse(own, transport, { poolSize: 4 })
    const threads = await crowd(house)
    house.proxy.turnAway()
    const deadlines = Array.from({ length: 20 }, () => 700)
    const all = await Promise.all(threads.map(worker => worker.run(endings, deadlines)))
    const told = all.flatMap(({ ended }) => ended).filter(({ name }) => name !== 'TimeoutError')
    expect(house.proxy.attempts).toBeLessThanOrEqual(4 + 9)
    // The last may still have been under way when its caller left.
    expect(house.proxy.attempts - told.length).toBeLessThanOrEqual(1)
  })

  it('fault 4: a loop that connects again and again does no more than one attempt after each rest', async () => {
    const house = await openHouse(own, transport)
    await house.proxy.refuse()
    const failures = await house.worker.run(async ({ kept }) => {
      const until = performance.now() + 700
      let failures = 0
      for (; performance.now() < until; failures++)
        await kept<PoolClient>('pool')
          .connect({ timeoutMs: 5000 })
          .catch(() => {})
      return failures
    })
    expect(failures).toBeLessThanOrEqual(10)
    await house.proxy.mend()
    await house.worker.run(useAtLast)
  })

  it('fault 4: a server that takes no more connections (53300) is not stormed, and callers make do with those that there are', async () => {
    await own.view.query("create role nobody login password 'x'").catch(() => {})
    // Of eight the observer has one, the filling three, and three are kept for administrators.
    const filling = await openHouse(own, 'remote', { poolSize: 3 })
    const held = await Promise.all(Array.from({ length: 3 }, () => filling.pool.connect()))
    const { worker, proxy } = await openHouse(own, transport, {
      poolSize: 6,
      retryConnect: true,
      config: { user: 'nobody', password: 'x' },
    })
    const ended = await worker.run(({ kept }: WorkerContext) => {
      const pool = kept<PoolClient<Client>>('pool')
      const call = () => pool.use(conn => conn.query('select pg_sleep(0.05)'), { timeoutMs: 20_000 })
      return Promise.all(Array.from({ length: 12 }, () => call().then(() => 'served')))
    })
    expect(ended).toEqual(Array.from({ length: 12 }, () => 'served'))
    // All six places at once; again, where the one that succeeds ends the outage for the five others; and in between with rests.
    expect(proxy.attempts).toBeLessThanOrEqual(30)
    for (const conn of held) await conn.close()
  })
})

it('fault 4: a refused password is told at once: it is an answer', async () => {
  const { worker, proxy } = await openHouse(own, 'remote', { retryConnect: true, config: { password: 'wrong' } })
  const { ms, ...failure } = await worker.run(failToConnect, 30_000)
  expect(failure).toMatchObject({ code: '28P01' })
  expect(ms).toBeLessThan(10_000)
  expect(proxy.attempts).toBe(1)
})
