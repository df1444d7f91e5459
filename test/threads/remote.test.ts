import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { EventName } from '../../src/observe/event-names.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { ServerView } from '../support/server-view.ts'
import { startWorker } from '../support/start-worker.ts'

let server: PostgresServer
let view: ServerView

beforeAll(async () => {
  server = await startPostgres()
  view = await ServerView.of(server)
})

afterAll(async () => {
  await view.close()
  await server.remove()
})

const remotely = { transport: 'remote', poolSize: 2, maxOverflow: 0 } as const

const pgPool = (options: PoolOptions<Client> = {}): QueuePool<Client> =>
  openPool<Client>({ dialect: pg(server.connectionString), ...remotely, ...options })

/** What happens in the pool, in order, as its listeners are told. */
function journal(pool: QueuePool<Client>): string[] {
  const lines: string[] = []
  const told: EventName[] = ['invalidate', 'softInvalidate', 'close', 'detach', 'closeDetached', 'reset']
  for (const name of told) pool.on(name, () => lines.push(name))
  pool.on('checkin', connection => lines.push(connection ? 'checkin' : 'checkin of nothing'))
  return lines
}

describe('the verbs of a pool, in a worker', () => {
  it('are those that it has on its own thread: the same code gives the same results', async () => {
    const pool = pgPool()
    const tour = async (pool: QueuePool<Client> | PoolClient<Client>): Promise<unknown> => {
      const fairy = await pool.connect()
      const values = await fairy.query('select $1::int + 1 as sum', [41])
      const config = await fairy.query({ text: 'select $1::text as word', values: ['hello'], rowMode: 'array' })
      const { rowCount, command } = await fairy.query('create temp table if not exists t (n int)')
      const fields = values.fields.map(({ name, dataTypeID }) => ({ name, dataTypeID }))
      const whileOut = (await pool.status()).checkedout
      const valid = [fairy.isValid]
      await fairy.close()
      valid.push(fairy.isValid)
      const used = await pool.use(conn => conn.query('select 7 as n'))
      const unique = await pool.uniqueConnection({ timeoutMs: 1000 })
      await unique.close()
      const rows = [values.rows, config.rows, used.rows]
      return { rows, rowCount, command, fields, whileOut, valid, after: `${await pool.status()}` }
    }
    const here = await tour(pool)
    expect(here).toMatchObject({
      rows: [[{ sum: 42 }], [['hello']], [{ n: 7 }]],
      command: 'CREATE',
      fields: [{ name: 'sum', dataTypeID: 23 }],
      whileOut: 1,
      valid: [true, false],
      after: 'poolSize 2, checkedin 1, overflow -1, checkedout 0, waiting 0',
    })
    const there = await startWorker().run(async ({ attach }, source) => {
      // The same source text once more, on the worker's side of the pool.
      const tour = new Function(`return ${source}`)() as (pool: unknown) => Promise<unknown>
      return tour(await attach())
    }, tour.toString())
    expect(there).toEqual(here)
  })

  it('close whatever happens, in use()', async () => {
    const pool = pgPool()
    const failure = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      return failureOf(() =>
        pool.use(async conn => {
          await conn.query('select 1')
          throw new RangeError('in the middle')
        }),
      )
    })
    expect(failure).toMatchObject({ class: 'RangeError', message: 'in the middle' })
    await eventually(() => pool.status().checkedout).toBe(0)
  })

  it('give each caller a connection of its own by uniqueConnection(), and two by two connects (17, 18)', async () => {
    pgPool()
    const pids = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      const fairies = [await pool.connect(), await pool.uniqueConnection()]
      const pids = await Promise.all(
        fairies.map(async each => (await each.query('select pg_backend_pid() as pid')).rows[0].pid),
      )
      for (const each of fairies) await each.close()
      return pids as number[]
    })
    expect(new Set(pids).size).toBe(2)
  })

  it('show a wait in the status, and end it by timeoutMs and by signal', async () => {
    const pool = pgPool({ poolSize: 1 })
    const held = await pool.connect()
    const worker = startWorker()
    const [late, aborted] = await worker.run(async ({ attach, failureOf }) => {
      const pool = await attach()
      const controller = new AbortController()
      const aborting = failureOf(() => pool.connect({ signal: controller.signal }))
      while ((await pool.status()).waiting === 0);
      controller.abort(new RangeError('enough'))
      return [await failureOf(() => pool.connect({ timeoutMs: 20 })), await aborting] as const
    })
    expect(late).toMatchObject({
      class: 'TimeoutError',
      code: 'FAIRYPOOL_TIMEOUT',
      fields: { phase: 'wait', timeoutMs: 20, total: 1, idle: 0, leased: 1 },
    })
    expect(aborted).toMatchObject({ class: 'RangeError', message: 'enough' })
    await eventually(() => pool.status().waiting).toBe(0)
    await held.close()
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })

  it('say who holds what when a wait times out', async () => {
    pgPool({ poolSize: 2 })
    const worker = startWorker()
    const failure = await worker.run(async ({ attach, failureOf }) => {
      const pool = await attach()
      await Promise.all([pool.connect(), pool.connect()])
      return failureOf(() => pool.connect({ timeoutMs: 20 }))
    })
    expect(failure.fields.holders).toMatchObject(Array(2).fill({ threadId: worker.threadId, use: 'connect' }))
  })

  it('read and write info and recordInfo as promises; info is emptied with its connection, recordInfo is not (235, 236, 239)', async () => {
    const pool = pgPool({ poolSize: 1 })
    pool.on('connect', (_connection, record) => record.info.set('by', 'listener'))
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      const fairy = await pool.connect()
      const { info, recordInfo } = fairy
      await info!.set('map', new Map([['k', 1n]]))
      await recordInfo!.set('kept', 'yes')
      const first = [await info!.get('by'), await info!.get('map'), await info!.has('map'), await info!.get('no')]
      await fairy.invalidate()
      const dead = [fairy.info, fairy.recordInfo]
      const stale = await failureOf(() => info!.get('by') as Promise<unknown>)
      const next = await pool.connect()
      const second = [await next.info!.get('map'), await next.info!.get('by'), await next.recordInfo!.get('kept')]
      const deletions = [await next.recordInfo!.delete('kept'), await next.recordInfo!.has('kept')]
      await next.info!.clear()
      const cleared = await next.info!.has('by')
      await next.close()
      return { first, dead, stale, second, deletions, cleared }
    })
    expect(seen).toMatchObject({
      first: ['listener', new Map([['k', 1n]]), true, undefined],
      dead: [undefined, undefined],
      stale: { class: 'StaleLeaseError', code: 'FAIRYPOOL_STALE_LEASE' },
      second: [undefined, 'listener', 'yes'],
      deletions: [true, false],
      cleared: false,
    })
  })
})

describe('the ends of a lease, asked for by a worker', () => {
  const pidOf = async (fairy: Fairy<Client>): Promise<number> =>
    (await fairy.query('select pg_backend_pid() as pid')).rows[0].pid

  it('invalidate hard: the session is closed at once, the next checkout opens another (133, 134)', async () => {
    const pool = pgPool({ poolSize: 1 })
    const lines = journal(pool)
    pool.on('invalidate', (_connection, _record, error) => lines.push(String(error)))
    const seen = await startWorker().run(async ({ attach, warnings }) => {
      const pool = await attach<Client>()
      const pidOf = async (fairy: Fairy<Client>): Promise<number> =>
        (await fairy.query('select pg_backend_pid() as pid')).rows[0].pid
      const fairy = await pool.connect()
      const before = await pidOf(fairy)
      await fairy.invalidate(new RangeError('it smells'))
      const valid = fairy.isValid
      await fairy.close()
      await fairy.invalidate()
      const next = await pool.connect()
      const after = await pidOf(next)
      await next.close()
      await new Promise(resolve => process.nextTick(resolve))
      return { before, after, valid, warnings }
    })
    expect(seen.valid).toBe(false)
    expect(seen.after).not.toBe(seen.before)
    expect(seen.warnings).toMatchObject([{ code: 'FAIRYPOOL_DEAD_FAIRY' }])
    expect(lines).toEqual(['invalidate', 'RangeError: it smells', 'close', 'checkin of nothing', 'reset', 'checkin'])
    await eventually(() => view.pids()).toEqual([seen.after])
  })

  it('invalidate soft: usable until closed, replaced after that (136)', async () => {
    const pool = pgPool({ poolSize: 1 })
    const lines = journal(pool)
    const pids = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      const pidOf = async (fairy: Fairy<Client>): Promise<number> =>
        (await fairy.query('select pg_backend_pid() as pid')).rows[0].pid
      const fairy = await pool.connect()
      const before = await pidOf(fairy)
      await fairy.invalidate(undefined, { soft: true })
      const still = await pidOf(fairy)
      await fairy.close()
      const next = await pool.connect()
      const after = await pidOf(next)
      await next.close()
      return { before, still, after }
    })
    expect(pids.still).toBe(pids.before)
    expect(pids.after).not.toBe(pids.before)
    expect(lines).toEqual(['softInvalidate', 'reset', 'checkin', 'close', 'reset', 'checkin'])
  })

  it("the pool's invalidate: all that is older is replaced, and a late report by the same generation changes nothing (146-149)", async () => {
    const pool = pgPool()
    const other = await pool.connect()
    const otherPid = await pidOf(other)
    await other.close()
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      const pidOf = async (fairy: Fairy<Client>): Promise<number> =>
        (await fairy.query('select pg_backend_pid() as pid')).rows[0].pid
      const [reporter, late] = [await pool.connect(), await pool.connect()]
      const old = [await pidOf(reporter), await pidOf(late)]
      await pool.invalidate(reporter, new Error('broken'))
      const valid = [reporter.isValid, late.isValid]
      const replacement = await pool.connect()
      const young = await pidOf(replacement)
      await replacement.close()
      await pool.invalidate(late)
      await pool.invalidate(reporter)
      const again = await pool.connect()
      const same = await pidOf(again)
      await again.close()
      return { old, valid, young, same }
    })
    expect(seen.valid).toEqual([false, true])
    expect(seen.old).toContain(otherPid)
    expect(seen.old).not.toContain(seen.young)
    expect(seen.same).toBe(seen.young)
  })

  it('detach: the server keeps the session, the place is free at once, close() ends it for good (222-227)', async () => {
    const pool = pgPool({ poolSize: 1 })
    const lines = journal(pool)
    const worker = startWorker()
    const first = await worker.run(async ({ attach, keep }) => {
      const pool = await attach<Client>()
      const detached = keep('detached', await pool.connect())
      await detached.info!.set('mine', 1)
      const pid = (await detached.query('select pg_backend_pid() as pid')).rows[0].pid as number
      await detached.detach()
      await detached.detach()
      const other = await pool.connect({ timeoutMs: 0 })
      const otherPid = (await other.query('select pg_backend_pid() as pid')).rows[0].pid as number
      await other.close()
      const again = (await detached.query('select pg_backend_pid() as pid')).rows[0].pid as number
      const info = await detached.info!.get('mine')
      return { pid, otherPid, again, info, recordInfo: detached.recordInfo, isValid: detached.isValid }
    })
    expect(first).toEqual({ ...first, again: first.pid, info: 1, recordInfo: undefined, isValid: true })
    expect(first.otherPid).not.toBe(first.pid)
    expect(new Set(await view.pids())).toEqual(new Set([first.pid, first.otherPid]))
    await worker.run(({ kept }) => kept<Fairy<Client>>('detached').close())
    expect(lines).toEqual(['detach', 'reset', 'checkin', 'reset', 'closeDetached'])
    await eventually(() => view.pids()).toEqual([first.otherPid])
  })

  it('dispose: what is idle is closed, what is out is closed when it comes home, and the pool goes on (245-247)', async () => {
    const pool = pgPool()
    const worker = startWorker()
    const pid = await worker.run(async ({ attach, keep }) => {
      const pool = await attach<Client>()
      const [out, idle] = [keep('out', await pool.connect()), await pool.connect()]
      await idle.close()
      await pool.dispose()
      return (await out.query('select pg_backend_pid() as pid')).rows[0].pid as number
    })
    await eventually(() => view.pids()).toEqual([pid])
    expect(pool.status().checkedout).toBe(1)
    await worker.run(({ kept }) => kept<Fairy<Client>>('out').close())
    await eventually(() => view.pids()).toEqual([])
    const sum = await worker.run(async ({ attach }) =>
      (await attach<Client>()).use(c => c.query('select 1 + 1 as two')),
    )
    expect(sum.rows).toEqual([{ two: 2 }])
  })
})
