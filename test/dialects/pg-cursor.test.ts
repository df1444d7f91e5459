import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { kind } from '../../src/protocol/messages.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { poolWarnings } from '../support/pool-warnings.ts'
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

const pgPool = (): QueuePool<Client> =>
  openPool<Client>({ dialect: pg(server.connectionString), transport: 'remote', poolSize: 1, maxOverflow: 0 })

const series = 'select n from generate_series(1, $1::int) n'

describe('a cursor of pg in a worker', () => {
  it('gives all rows in order, with the batch size it was told, and 100 by itself', async () => {
    pgPool()
    const seen = await startWorker().run(
      async ({ attach }, series, read) => {
        const conn = await (await attach<Client>()).connect()
        const reads: number[] = []
        const { postMessage } = MessagePort.prototype
        MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
          if (Array.isArray(args[0]))
            reads.push(...args[0].map(([kind]) => kind as number).filter(kind => kind === read))
          return Reflect.apply(postMessage, this, args)
        }
        const counts: unknown[] = []
        for (const [rows, options] of [
          [10, { batchSize: 4 }],
          [10, { batchSize: 1000 }],
          [250, undefined],
          [0, { batchSize: 5 }],
        ] as const) {
          const numbers: number[] = []
          reads.length = 0
          for await (const { n } of conn.cursor<{ n: number }>(series, [rows], options)) numbers.push(n)
          counts.push([numbers.length, numbers.every((n, i) => n === i + 1), reads.length])
        }
        // Without values, too.
        for await (const row of conn.cursor('select 1 as one')) counts.push(row)
        await conn.close()
        return counts
      },
      series,
      kind.read,
    )
    // One read more than there are batches with rows: the empty one is the end.
    expect(seen).toEqual([[10, true, 4], [10, true, 2], [250, true, 4], [0, true, 1], { one: 1 }])
  })

  it('reads a batch when the one before has been used up, and not sooner (back-pressure)', async () => {
    pgPool()
    const seen = await startWorker().run(async ({ attach }, read) => {
      const conn = await (await attach<Client>()).connect()
      let reads = 0
      const { postMessage } = MessagePort.prototype
      MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
        if (Array.isArray(args[0])) reads += args[0].filter(([kind]) => kind === read).length
        return Reflect.apply(postMessage, this, args)
      }
      await conn.query('create temp sequence progress')
      // Every row that the server makes moves the sequence: what it has made nobody has asked for would show.
      const text = "select nextval('progress')::int as n from generate_series(1, 1000000)"
      const steps: unknown[] = []
      const cursor = conn.cursor<{ n: number }>(text, [], { batchSize: 10 })
      steps.push(reads)
      for (let row = 1; row <= 25; row++) {
        const { value } = await cursor.next()
        if (row % 10 === 1 || row % 10 === 0) steps.push([value?.n, reads])
      }
      await cursor.close()
      steps.push((await conn.query("select currval('progress')::int as made")).rows)
      await conn.close()
      return steps
    }, kind.read)
    expect(seen).toEqual([0, [1, 1], [10, 1], [11, 2], [20, 2], [21, 3], [{ made: 30 }]])
  })

  it('left early closes its portal: the connection can be used at once, and a lock that it held is gone', async () => {
    const pool = pgPool()
    const warnings = poolWarnings()
    const seen = await startWorker().run(async ({ attach }, series) => {
      const pool = await attach<Client>()
      const conn = await pool.connect()
      const rows: number[] = []
      for (let round = 0; round < 3; round++) {
        for await (const { n } of conn.cursor<{ n: number }>(series, [1_000_000], { batchSize: 2 })) {
          rows.push(n)
          if (n === 3) break
        }
        rows.push((await conn.query<{ n: number }>('select 100 as n')).rows[0]!.n)
      }
      await conn.query('begin')
      await conn.query('declare other cursor for select 1')
      const portals: unknown[] = []
      for await (const row of conn.cursor('select name from pg_cursors', [], { batchSize: 1 })) portals.push(row)
      await conn.query('commit')
      await conn.close()
      return { rows, portals }
    }, series)
    expect(seen.rows).toEqual([1, 2, 3, 100, 1, 2, 3, 100, 1, 2, 3, 100])
    expect(seen.portals).toContainEqual({ name: 'other' })
    expect(await warnings.soFar()).toEqual([])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('left open at a close is closed with it, and the connection comes home usable', async () => {
    const pool = pgPool()
    const warnings = poolWarnings()
    const failure = await startWorker().run(async ({ attach, failureOf }, series) => {
      const conn = await (await attach<Client>()).connect()
      const cursor = conn.cursor(series, [1_000_000], { batchSize: 2 })
      await cursor.next()
      await conn.close()
      // What has been read is the caller's; the next batch is nobody's.
      await cursor.next()
      const failure = await failureOf(() => cursor.next())
      await cursor.close()
      return failure
    }, series)
    expect(failure).toMatchObject({ class: 'StaleLeaseError' })
    expect((await pool.use(conn => conn.query('select 1 as one'))).rows).toEqual([{ one: 1 }])
    expect(await view.sessions()).toHaveLength(1)
    expect(await warnings.soFar()).toEqual([])
  })

  it("fails where the server fails, with the server's error, after the rows before; its connection is as good as ever", async () => {
    const pool = pgPool()
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const conn = await (await attach<Client>()).connect()
      const rows: unknown[] = []
      const failure = await failureOf(async () => {
        const text = 'select 12 / (4 - n) as n from generate_series(1, 9) n'
        for await (const { n } of conn.cursor<{ n: number }>(text, [], { batchSize: 2 })) rows.push(n)
      })
      const syntax = await failureOf(() => conn.cursor('selekt').next())
      const pid = (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
      await conn.close()
      return { rows, failure, syntax, pid }
    })
    const next = await pool.connect({ timeoutMs: 4000 })
    expect((await next.query('select pg_backend_pid() as pid')).rows).toEqual([{ pid: seen.pid }])
    await next.close()
    expect(seen).toMatchObject({ rows: [4, 6], failure: { code: '22012' }, syntax: { code: '42601' } })
  })

  it('refuses what it does not understand, and the connection is none the worse', async () => {
    pgPool()
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const conn = await (await attach<Client>()).connect()
      const wrong = [
        [],
        [7],
        ['select 1', 'x'],
        ['select 1', [], { batchSize: 0 }],
        ['select 1', [], { batch: 5 }],
        ['select 1', [], 7],
      ]
      const failures = await Promise.all(wrong.map(args => failureOf(() => conn.cursor(...args).next())))
      const unsendable = await failureOf(() => conn.cursor('select 1', [() => {}]).next())
      const cursor = conn.cursor('select 1')
      const together = await Promise.allSettled([cursor.next(), cursor.next()])
      await cursor.close()
      const one = (await conn.query('select 1 as one')).rows
      await conn.close()
      return { failures, unsendable, together: together.map(each => each.status), one }
    })
    for (const failure of seen.failures)
      expect(failure).toMatchObject({ class: 'ArgumentError', code: 'FAIRYPOOL_ARGUMENT' })
    expect(seen).toMatchObject({
      unsendable: { class: 'NotClonableError' },
      together: ['fulfilled', 'rejected'],
      one: [{ one: 1 }],
    })
  })

  it('is the same on the coordinator', async () => {
    const pool = pgPool()
    const conn = await pool.connect()
    const numbers: number[] = []
    for await (const { n } of conn.cursor<{ n: number }>(series, [5], { batchSize: 2 })) numbers.push(n)
    for await (const { n } of conn.cursor<{ n: number }>(series, [1_000_000], { batchSize: 2 })) {
      numbers.push(n)
      break
    }
    expect(numbers).toEqual([1, 2, 3, 4, 5, 1])
    expect((await conn.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    const left = conn.cursor<{ n: number }>(series, [1000], { batchSize: 1 })
    await left.next()
    await conn.close()
    // Not an end that looks as if those had been all the rows.
    await expect(left.next()).rejects.toThrow(/closed/)
    await expect(left.next()).resolves.toEqual({ done: true, value: undefined })
  })
})
