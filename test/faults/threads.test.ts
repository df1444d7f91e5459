import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type * as Door from '../../src/index.ts'
import type * as PgDoor from '../../src/pg.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { Doomed, deaths, sleep, smallHeap, states } from '../support/doomed.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { WorkerContext } from '../support/worker-context.ts'
import { openHouse, transports } from './house.ts'
import { use } from './scripts.ts'

const own = OwnServer.forThisFile()

describe.each(transports)('%s:', transport => {
  // Each death in each state is in threads/death.test.ts; here is each of either.
  const ends = [
    ...states.map(state => ['is terminated', state] as const),
    ...deaths.slice(1).map(each => [each, 'in a query'] as const),
  ]

  it.each(ends)(
    'fault 26: a worker that %s while it is %s leaves its place to the next waiter, and nothing of its session',
    async (death, state) => {
      // Where the worker runs the driver it waits by itself for the call that is in flight.
      const { pool, worker, another } = await openHouse(own, transport, { closeTimeoutMs: 100_000 })
      const held = state === 'waiting' ? await pool.connect() : undefined
      const doomed = new Doomed(await another(smallHeap), death, state)
      await doomed.worker.hear()
      if (held === undefined) await eventually(() => pool.records.at(0)?.state).toMatch(/leased|returning/)
      if (state === 'in a query' || state === 'closing')
        await eventually(async () => (await own.view.sessions()).map(({ query }) => query)).toEqual([sleep])
      const [{ pid } = { pid: 0 }] = await own.view.sessions()
      const next = worker.run(use)
      await eventually(() => pool.status().waiting).toBeGreaterThanOrEqual(1)
      expect(await doomed.die()).toBe(death === 'exits' ? 7 : 1)
      await held?.close()
      const now = await next
      if (held === undefined) expect(now).not.toBe(pid)
      await eventually(() => own.view.pids()).toEqual([now])
      await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
    },
  )

  it('fault 27: a user whose loop is blocked keeps what he holds, and holds up nobody else', async () => {
    const { pool, worker, another } = await openHouse(own, transport, { poolSize: 2 })
    const blocked = await another()
    const done = blocked.run(async ({ kept, say }) => {
      const conn = await kept<PoolClient<Client>>('pool').connect()
      await conn.query('select 1')
      say('blocked')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
      const answer = (await conn.query('select 2 as n')).rows
      await conn.close()
      return answer as unknown
    })
    await blocked.hear()
    await worker.run(use, 20)
    expect(pool.status()).toMatchObject({ checkedout: 1 })
    expect(await done).toEqual([{ n: 2 }])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 2, checkedout: 0 })
  })

  it('fault 27: an owner whose loop is blocked delays those who need him, and loses nothing', async () => {
    // Past the proxy, which lives on the loop that is blocked.
    const config = { port: own.server.port }
    const { pool, worker, another } = await openHouse(own, transport, { poolSize: 2, config })
    const threads = [worker, await another()]
    await Promise.all(threads.map(thread => thread.run(use)))
    const counters = threads.map(() => new Int32Array(new SharedArrayBuffer(8)))
    const loops = threads.map((thread, i) =>
      thread.run(async ({ kept }, counter) => {
        const pool = kept<PoolClient<Client>>('pool')
        for (; Atomics.load(counter, 1) === 0; Atomics.add(counter, 0, 1))
          await pool.use(conn => conn.query('select 1'))
      }, counters[i]!),
    )
    await eventually(() => counters.every(counter => Atomics.load(counter, 0) > 3)).toBe(true)
    const before = counters.map(counter => Atomics.load(counter, 0))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700)
    const during = counters.map((counter, i) => Atomics.load(counter, 0) - before[i]!)
    for (const counter of counters) Atomics.store(counter, 1, 1)
    await Promise.all(loops)
    // Whoever runs the driver himself, and finds connections idle, needs nobody.
    if (transport === 'direct') for (const rounds of during) expect(rounds).toBeGreaterThan(5)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 2, checkedout: 0, waiting: 0 })
  })

  it('fault 28: with the owner’s thread all that is under way in others ends, and new pools can be attached to', async () => {
    const owner = startWorker()
    const open = async ({ load, keep }: WorkerContext, config: object, transport: string) => {
      const { createPool } = (await load('../../src/index.js')) as typeof Door
      const { pg } = (await load('../../src/pg.js')) as typeof PgDoor
      const options = { dialect: pg(config), poolSize: 1, maxOverflow: 0 }
      return keep('pool', createPool(transport === 'remote' ? { ...options, transport } : options)).share()
    }
    const address = await owner.run(open, own.config(oneRoad[0]), transport)
    const user = startWorker()
    const ended = user.run(
      async ({ attach, failureOf, say }, address, sleep) => {
        const pool = await attach<Client>(address)
        const conn = await pool.connect()
        const under = [conn.query(sleep), pool.connect(), pool.query('select 1')].map(work => failureOf(() => work))
        say('under way')
        const failures = await Promise.all(under)
        const late = [() => pool.connect(), () => conn.query('select 1'), () => attach(address)].map(failureOf)
        await conn.close()
        return [failures, await Promise.all(late)].map(each => each.map(({ class: name }) => name))
      },
      address,
      sleep,
    )
    await user.hear()
    await eventually(async () => (await own.view.sessions()).map(({ query }) => query)).toContain(sleep)
    await owner.terminate()
    const lost = 'CoordinatorLostError'
    const [under, late] = await ended
    // Whoever runs the driver himself hears of his own query from that.
    expect(under!.slice(1)).toEqual([lost, lost])
    if (transport === 'remote') expect(under![0]).toBe(lost)
    expect(late).toEqual([lost, lost, lost])
    for (const { pid } of await own.view.sessions()) await own.view.terminate(pid)
    const again = await startWorker().run(open, own.config(oneRoad[0]), transport)
    const answer = await user.run(
      async ({ attach }, address) =>
        (await (await attach<Client>(address)).use(conn => conn.query('select 4 as n'))).rows,
      again,
    )
    expect(answer).toEqual([{ n: 4 }])
  })
})
