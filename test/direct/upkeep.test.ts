import { readdirSync } from 'node:fs'
import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()

const open = (options: PoolOptions<Client>): ReturnType<OwnServer['pool']> => own.pool('a Unix socket', options)

/** So many connections are used by this worker at the same time, and given back. */
const use = (worker: TestWorker, count: number): Promise<number[]> =>
  worker.run(async ({ attach, keep }, count) => {
    const pool = keep('pool', await attach<Client>())
    const held = await Promise.all(Array.from({ length: count }, () => pool.connect()))
    const pids = await Promise.all(
      held.map(async conn => (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number),
    )
    for (const conn of held) await conn.close()
    return pids
  }, count)

const descriptors = (): number => readdirSync('/proc/self/fd').length

describe.each([
  ['direct', {}],
  ['remote', { transport: 'remote' }],
] as const)('upkeep of connections that threads use (%s)', (how, transport) => {
  it('idleTimeoutMs: the server sees idle sessions go, but for minIdle', async () => {
    const pool = open({ poolSize: 4, idleTimeoutMs: 100, minIdle: 1, ...transport })
    const pids = await use(startWorker(), 4)
    expect(new Set(pids).size).toBe(4)
    await eventually(() => own.view.pids()).toHaveLength(1)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it.skipIf(process.platform !== 'linux')(
    'a thread lets go its own descriptors of connections that are closed',
    async () => {
      const pool = open({ poolSize: 4, idleTimeoutMs: 100, ...transport })
      const worker = startWorker()
      await use(worker, 1)
      await eventually(() => pool.status().checkedin).toBe(0)
      await eventually(() => own.view.pids()).toEqual([])
      const before = descriptors()
      await use(worker, 4)
      // One of this thread and one of the worker for each; what was counted before may still have been about to go.
      expect(descriptors() - before).toBeGreaterThan(how === 'direct' ? 5 : 2)
      await eventually(descriptors).toBeLessThanOrEqual(before)
      expect(await use(worker, 1)).toHaveLength(1)
    },
  )

  it('keepaliveMs: a session that was terminated is found without anybody asking, and nobody meets it', async () => {
    const pool = open({ poolSize: 2, keepaliveMs: 50, ...transport })
    const worker = startWorker()
    const [dead, alive] = await use(worker, 2)
    await own.view.terminate(dead!)
    await eventually(() => pool.status().checkedin).toBe(1)
    await eventually(() => own.view.pids()).toEqual([alive])
    const pids = await use(worker, 2)
    expect(pids).toContain(alive)
    expect(pids).not.toContain(dead)
  })

  it('keepaliveMs: the server hears of an idle session again and again', async () => {
    open({ keepaliveMs: 30, ...transport })
    const [pid] = await use(startWorker(), 1)
    const heard = async (): Promise<string[]> => {
      const text = 'select state_change::text as at from pg_stat_activity where pid = $1'
      return (await own.view.query<{ at: string }>(text, [pid])).map(({ at }) => at)
    }
    const seen = new Set<string>()
    await eventually(async () => {
      const [at] = await heard()
      seen.add(at!)
      return seen.size
    }).toBeGreaterThan(3)
  })

  it('minIdle: sessions are there before anybody asks, and again when a thread has taken some by itself', async () => {
    const pool = open({ poolSize: 4, minIdle: 2, ...transport })
    await eventually(() => pool.status().checkedin).toBe(2)
    const before = await own.view.pids()
    expect(before).toHaveLength(2)
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const pool = await attach<Client>()
      keep('held', [await pool.connect(), await pool.connect()])
    })
    await eventually(() => pool.status()).toMatchObject({ checkedin: 2, checkedout: 2 })
    expect(await own.view.pids()).toHaveLength(4)
    await worker.terminate()
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0 })
    await eventually(() => own.view.pids()).toHaveLength(2)
  })

  it('maxLifetimeMs: a thread that never stops gets new sessions, one after another, and no wrong answer', async () => {
    open({ poolSize: 2, maxLifetimeMs: 150, ...transport })
    const pids = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      const pids = new Set<number>()
      const text =
        'select pg_backend_pid() as pid, $1::int as n, clock_timestamp() - backend_start as age from pg_stat_activity where pid = pg_backend_pid()'
      const task = async (by: 'connect' | 'query'): Promise<void> => {
        for (let n = 0; pids.size < 12; n++) {
          const { rows } =
            by === 'query'
              ? ((await pool.query(text, [n])) as { rows: { n: number; pid: number }[] })
              : await pool.use(conn => conn.query(text, [n]))
          if (rows[0]!.n !== n) throw new Error(`asked ${n}, got ${rows[0]!.n}`)
          pids.add(rows[0]!.pid)
        }
      }
      await Promise.all([task('connect'), task('connect'), task('connect'), task('query'), task('query')])
      return [...pids]
    })
    expect(pids.length).toBeGreaterThanOrEqual(12)
  })

  it('all of it at once, in a hurry, under threads that take, query, leave and die: nothing wrong, nothing lost', async () => {
    const hurry = { maxLifetimeMs: 60, idleTimeoutMs: 20, keepaliveMs: 10, minIdle: 1, closeTimeoutMs: 2000 }
    const pool = open({ poolSize: 3, maxOverflow: 1, ...hurry, ...transport })
    const play = (worker: TestWorker, rounds: number): Promise<number> =>
      worker.run(async ({ attach }, rounds) => {
        const pool: PoolClient<Client> = await attach<Client>()
        let right = 0
        const task = async (seed: number): Promise<void> => {
          for (let round = 0; round < rounds; round++) {
            const n = seed * 1000 + round
            const isQuery = n % 3 === 0
            const { rows } = isQuery
              ? ((await pool.query('select $1::int as n', [n])) as { rows: { n: number }[] })
              : await pool.use(conn => conn.query<{ n: number }>('select $1::int as n', [n]))
            if (rows[0]!.n !== n) throw new Error(`asked ${n}, got ${rows[0]!.n}`)
            right++
            if (n % 7 === 0) await new Promise(resolve => setTimeout(resolve, n % 40))
          }
        }
        await Promise.all([1, 2, 3, 4].map(task))
        return right
      }, rounds)
    const [mortal, ...others] = [startWorker(), startWorker(), startWorker()]
    mortal!.runToDeath(async ({ attach }) => {
      const pool = await attach<Client>()
      const hold = async (): Promise<void> => {
        for (;;) await pool.use(conn => conn.query('select pg_sleep(0.005)'))
      }
      await Promise.all([hold(), hold()])
    })
    const playing = others.map(worker => play(worker, 60))
    await playing[0]
    await mortal!.terminate()
    expect(await Promise.all(playing)).toEqual([240, 240])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
    await eventually(async () => (await own.view.pids()).length).toBe(1)
  })
})
