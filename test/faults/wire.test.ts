import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { OwnServer, oneRoad } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { WorkerContext } from '../support/worker-context.ts'
import { openHouse, transports } from './house.ts'
import { closeLater, hold, use } from './scripts.ts'

const own = OwnServer.forThisFile()
describe.each(transports)('%s:', transport => {
  it('fault 29: the close of a loan that was taken away meanwhile comes late, and touches nobody else’s', async () => {
    const { pool, worker, another } = await openHouse(own, transport)
    const flag = new Int32Array(new SharedArrayBuffer(4))
    const closing = worker.run(closeLater, flag, 2)
    await worker.hear()
    await pool.records.at(0)!.invalidate(new Error('taken away'))
    const other = await another()
    const pid = await other.run(hold)
    Atomics.store(flag, 0, 1)
    Atomics.notify(flag, 0)
    expect(await closing).toBe(false)
    expect(pool.status()).toMatchObject({ checkedout: 1 })
    const still = await other.run(async ({ kept }) => {
      const conn = kept<Fairy<Client>>('conn')
      const { rows } = await conn.query('select pg_backend_pid() as pid')
      await conn.close()
      return rows[0].pid as number
    })
    expect(still).toBe(pid)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('fault 29: grants that cross an abort, and closes that cross an invalidation, leave no place behind', async () => {
    const { pool, worker, another } = await openHouse(own, transport, { poolSize: 2 })
    const threads = [worker, await another()]
    const cross = async ({ kept }: WorkerContext, rounds: number): Promise<number> => {
      const pool = kept<PoolClient<Client>>('pool')
      let served = 0
      const caller = async (round: number): Promise<void> => {
        const { signal, abort } = ((): { signal: AbortSignal; abort(): void } => {
          const controller = new AbortController()
          return { signal: controller.signal, abort: () => controller.abort() }
        })()
        const connecting = pool.connect({ signal })
        if (round % 2 === 0) setImmediate(abort)
        const conn = await connecting.catch(() => undefined)
        if (conn === undefined) return
        served++
        const closed = conn.close()
        if (round % 7 === 0) void pool.invalidate(conn as never)
        await closed
      }
      for (let round = 0; round < rounds; round++)
        await Promise.all([caller(round), caller(round + 1), caller(round + 3)])
      return served
    }
    const served = await Promise.all(threads.map(thread => thread.run(cross, 80)))
    for (const count of served) expect(count).toBeGreaterThan(0)
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
    await Promise.all(threads.map(thread => thread.run(use)))
    await eventually(() => own.view.pids().then(pids => pids.length)).toBeLessThanOrEqual(2)
  })

  it('fault 30: a fairy that is collected under its own query gets the answer, and then comes home', async () => {
    // A query whose fairy has come home may last so long and no longer: this one lasts longer than that.
    const closeTimeoutMs = 100
    const { pool, worker } = await openHouse(own, transport, { closeTimeoutMs })
    // It lasts until the observer lets go.
    await own.view.query('select pg_advisory_lock(30)')
    const answer = worker.run(async ({ kept, keep, say }) => {
      const ask = async (): Promise<Promise<unknown>[]> => {
        const conn = await kept<PoolClient<Client>>('pool').connect()
        return [conn.query('select pg_advisory_xact_lock(30), 5 as n')]
      }
      const [answer] = keep('answers', await ask())
      say('asked')
      return ((await answer) as { rows: { n: number }[] }).rows[0]!.n
    })
    await worker.hear()
    // The young are held for a while: let go of at once, or nothing could be collected here.
    await worker.run(async ({ load }) => {
      ;((await load('../../src/fairies/lost-fairies.js')) as { letGo(): void }).letGo()
    })
    for (let i = 0; i < 5; i++) await worker.run(context => context.collect())
    await delay(5 * closeTimeoutMs)
    expect(pool.status()).toMatchObject({ checkedout: 1 })
    await own.view.query('select pg_advisory_unlock(30)')
    expect(await answer).toBe(5)
    await worker.run(({ drop }) => drop('answers'))
    await eventually(async () => {
      await worker.run(context => context.collect())
      return pool.status()
    }).toMatchObject({ checkedin: 1, checkedout: 0 })
    await worker.run(use)
  })

  it('fault 31: what can not be cloned is refused where it was said, and costs the connection nothing', async () => {
    const { pool, worker } = await openHouse(own, transport)
    const seen = await worker.run(async ({ kept, failureOf }) => {
      const pool = kept<PoolClient<Client>>('pool')
      const conn = await pool.connect()
      const pid = async (): Promise<number> => (await conn.query('select pg_backend_pid() as pid')).rows[0].pid
      const before = await pid()
      const self: Record<string, unknown> = { toPostgres: undefined }
      self.port = new MessageChannel().port1
      self.work = () => {}
      const failure = await failureOf(() => conn.query('select $1::text as t', [self.work] as never)).catch(() => ({
        class: 'none',
      }))
      const after = await pid()
      await conn.close()
      return { same: before === after, class: failure.class }
    })
    // Whoever runs the driver himself clones nothing: then it is the driver that makes a text of it.
    expect(seen).toEqual({ same: true, class: transport === 'remote' ? 'NotClonableError' : 'none' })
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('fault 31: a thread that ends with messages in its port, its grant among them, leaves all that they were about', async () => {
    const { pool, another, worker } = await openHouse(own, transport, { poolSize: 2 })
    const held = [await pool.connect(), await pool.connect()]
    const doomed = await another()
    doomed.runToDeath(async ({ kept, say }) => {
      for (let i = 0; i < 3; i++)
        kept<PoolClient>('pool')
          .connect()
          .catch(() => {})
      await new Promise(resolve => setImmediate(resolve))
      say('deaf')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })
    await doomed.hear()
    await eventually(() => pool.status().waiting).toBeGreaterThan(0)
    for (const conn of held) await conn.close()
    await doomed.terminate()
    await worker.run(use, 3)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 2, checkedout: 0, waiting: 0 })
  })

  it('fault 32: nested workers, and one module loaded twice in a thread, are users like any other', async () => {
    const { pool, worker } = await openHouse(own, transport)
    const seen = await worker.run(async ({ spawn, load, kept }, address) => {
      const { attach } = (await load('../../src/worker.js?again')) as {
        attach: typeof import('../../src/worker.ts').attach
      }
      const copy = await attach<Client>(address)
      const nested = await spawn()
      const n = await nested.run(
        async ({ attach }, address) =>
          (await (await attach<Client>(address)).use(conn => conn.query('select 6 as n'))).rows[0].n,
        address,
      )
      await nested.terminate()
      return { isSame: copy === kept('pool'), n: n as number }
    }, pool.share())
    expect(seen.n).toBe(6)
    await worker.run(use)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('fault 32: a thread that gets the number of one that is gone has nothing of what that one had', async () => {
    const { pool, another } = await openHouse(own, transport)
    const numbers = new Set<number>()
    for (let round = 0; round < 3; round++) {
      const worker = await another()
      numbers.add(pool.slots.sessions.last)
      const pid = await worker.run(hold)
      await worker.terminate()
      await eventually(() => own.view.pids()).not.toContain(pid)
      // Its number is free when all of it has been taken back.
      await eventually(() => pool.departures.size).toBe(1)
    }
    expect(numbers.size).toBe(1)
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0 })
  })
})

it('fault 31: a hello that nobody answers ends: the owner is gone, or does not share under that name', async () => {
  const worker = startWorker()
  const failures = await worker.run(async ({ attach, failureOf }) => {
    const buffer = new SharedArrayBuffer(1024)
    const gone = await failureOf(() => attach({ name: 'nobody', threadId: 123_456, buffer }))
    const unknown = await failureOf(() => attach({ name: 'nobody', threadId: 0, buffer }))
    return [gone.class, unknown.class]
  })
  expect(failures).toEqual(['CoordinatorLostError', 'CoordinatorLostError'])
})

it('fault 32: two pools of one name are one too many, and the first is not touched', async () => {
  const options = { dialect: (await import('../../src/dialects/pg.ts')).pg(own.config(oneRoad[0])), poolSize: 1 }
  openPool<Client>(options, 'the one')
  expect(() => openPool<Client>(options, 'the one')).toThrow("Another pool is shared as 'the one'")
  const worker = startWorker()
  expect(await worker.run(async ({ attach }) => (await attach('the one')).name)).toBe('the one')
})
