import type { Client, QueryResult } from 'pg'
import { describe, expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad, roads } from '../support/own-server.ts'
import { withoutDescriptors } from '../support/poor-threads.ts'
import { countPosts } from '../support/post-counter.ts'
import { startWorker } from '../support/start-worker.ts'
import type { WorkerContext } from '../support/worker-context.ts'

const own = OwnServer.forThisFile()

type Rows = QueryResult<Record<string, unknown>>

describe.each(roads)('query() of a thread that runs the driver itself, over %s,', road => {
  it('costs no message, and those of one turn leave in one write', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    await worker.run(async ({ attach, keep, require }) => {
      const pool = keep('pool', await attach<Client>())
      for (let n = 0; n < 400; n++) await pool.query('select 1')
      const posts = keep<unknown[]>('posts', [])
      const { postMessage } = MessagePort.prototype
      MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
        if (Array.isArray(args[0])) posts.push(args[0])
        return Reflect.apply(postMessage, this, args)
      }
      const writes = keep<number[]>('writes', [])
      const { Socket } = require('node:net') as typeof import('node:net')
      const { write } = Socket.prototype
      Socket.prototype.write = function (...args: [Uint8Array, never]) {
        writes.push(args[0].length)
        return Reflect.apply(write, this, args)
      }
    })
    const mine = countPosts()
    const look = async ({ kept }: WorkerContext) => {
      const pool = kept<PoolClient<Client>>('pool')
      kept<number[]>('writes').length = 0
      const texts = ['select $1::int as n', 'select $1::int + 0 as n']
      const asked = Array.from({ length: 6 }, (_, n) => pool.query<Rows>(texts[n % 2]!, [n]))
      const answers = await Promise.all(asked)
      await new Promise(setImmediate)
      return {
        numbers: answers.map(({ rows }) => rows[0]!.n),
        writes: kept<number[]>('writes').length,
        posts: kept<unknown[]>('posts'),
      }
    }
    // Where the server has just been slow, fewer are sent at a time, and then more with each answer.
    await eventually(() => worker.run(look)).toEqual({ numbers: [0, 1, 2, 3, 4, 5], writes: 1, posts: [] })
    expect(mine).toEqual([])
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it("gives the driver's own results, with this thread's parsers", async () => {
    own.pool(road)
    const seen = await startWorker().run(async ({ attach, require }) => {
      const pg = require('pg') as typeof import('pg') & { readonly Result: new () => object }
      const pool = await attach<Client>()
      const text = 'select $1::bigint as big, null as nothing'
      const before = (await pool.query<Rows>(text, [5])).rows[0]!.big
      pg.types.setTypeParser(20, text => BigInt(text))
      const result = await pool.query<Rows>(text, [5])
      const error = await pool.query('select 1/0').catch((error: unknown) => error)
      const { command, rowCount, rows, fields } = result
      return {
        isResult: result instanceof pg.Result,
        isPgs: error instanceof pg.DatabaseError,
        before,
        command,
        rowCount,
        rows,
        names: fields.map(({ name }) => name),
      }
    })
    expect(seen).toEqual({
      isResult: true,
      isPgs: true,
      before: '5',
      command: 'SELECT',
      rowCount: 1,
      rows: [{ big: 5n, nothing: null }],
      names: ['big', 'nothing'],
    })
  })

  it('leaves the connection as connect() wants it, in this thread and elsewhere', async () => {
    const pool = own.pool(road)
    const rows = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      const rows: unknown[] = []
      for (let round = 0; round < 3; round++) {
        await Promise.all([1, 2, 3].map(n => pool.query('select $1::int as n', [n])))
        await pool.use(async conn => {
          for await (const row of conn.cursor('select generate_series(1, 3) as n', [], { batchSize: 1 })) rows.push(row)
          rows.push(((await conn.query('begin; select 9 as n; rollback')) as unknown as Rows[])[1]!.rows[0])
        })
      }
      return rows
    })
    expect(rows).toEqual([1, 2, 3].flatMap(() => [1, 2, 3, 9].map(n => ({ n }))))
    expect(await pool.use(conn => conn.query('begin; rollback'))).toHaveLength(2)
    expect((await pool.query<Rows>('select count(*)::int as n from pg_prepared_statements')).rows).toEqual([{ n: 0 }])
  })
})

describe.each(oneRoad)('the connections of such a thread, over %s,', road => {
  it('are given back as soon as nothing is in flight, before the thread goes on', async () => {
    const pool = own.pool(road)
    const shared = new Int32Array(new SharedArrayBuffer(4))
    const worker = startWorker()
    const done = worker.run(async ({ attach, say }, shared) => {
      const pool = await attach<Client>()
      await pool.query('select 1')
      await Promise.all([1, 2, 3].map(n => pool.query('select $1::int', [n])))
      say('answered')
      Atomics.wait(shared, 0, 0)
    }, shared)
    await worker.hear()
    // The thread is stuck, and has nothing of the pool.
    expect((await pool.query<Rows>('select 2 as n', [], { timeoutMs: 5000 })).rows).toEqual([{ n: 2 }])
    Atomics.store(shared, 0, 1)
    Atomics.notify(shared, 0)
    await done
  })

  it('come to whoever waits in connect(), in this thread and on the coordinator, however many statements there are', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    const stop = new Int32Array(new SharedArrayBuffer(4))
    const storm = worker.run(async ({ attach, keep, say }, stop) => {
      const pool = keep('pool', await attach<Client>())
      let answered = 0
      const task = async (): Promise<void> => {
        for (; Atomics.load(stop, 0) === 0; answered++) await pool.query('select 1')
      }
      const tasks = Array.from({ length: 100 }, task)
      say('storming')
      await Promise.all(tasks)
      return answered
    }, stop)
    await worker.hear()
    const mine = worker.run(async ({ kept }) => {
      const pool = kept<PoolClient<Client>>('pool')
      for (let n = 0; n < 20; n++) await pool.use(conn => conn.query('select 2'))
      return 20
    })
    for (let n = 0; n < 20; n++) await pool.use(conn => conn.query('select 3'))
    for (let n = 0; n < 20; n++) await pool.query('select 4')
    expect(await mine).toBe(20)
    Atomics.store(stop, 0, 1)
    expect(await storm).toBeGreaterThan(100)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })

  it('are all that it can have, where a burst finds them idle', async () => {
    const pool = own.pool(road, { poolSize: 3 })
    await Promise.all([1, 2, 3].map(() => pool.query('select pg_sleep(0.05)')))
    const pids = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      const ask = () => pool.query<Rows>('select pg_backend_pid() as pid, pg_sleep(0.01)')
      const answers = await Promise.all(Array.from({ length: 12 }, ask))
      return [...new Set(answers.map(({ rows }) => rows[0]!.pid as number))]
    })
    await eventually(async () => (await own.view.pids()).sort()).toEqual(pids.sort())
  })
})

describe.each(oneRoad)('a slow statement of such a thread, over %s,', road => {
  it('does not hold up the next where another connection is idle, though it was never slow before', async () => {
    const pool = own.pool(road, { poolSize: 2 })
    await Promise.all([pool.query('select pg_sleep(0.05)'), pool.query('select pg_sleep(0.05)')])
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const pool = keep('pool', await attach<Client>())
      for (let round = 0; round < 40; round++) {
        await Promise.all(Array.from({ length: 32 }, (_, n) => pool.query('select $1::int', [n])))
      }
      await new Promise(resolve => setTimeout(resolve, 20))
    })
    await own.view.query('select pg_advisory_lock(5)')
    const order = worker.run(async ({ kept, say }) => {
      const pool = kept<PoolClient<Client>>('pool')
      const order: string[] = []
      const slow = pool
        .query('select pg_advisory_lock_shared(5), pg_advisory_unlock_shared(5)')
        .then(() => order.push('slow'))
      await pool.query('select $1::int', [1]).then(() => order.push('quick'))
      say('quick')
      await slow
      return order
    })
    await worker.hear()
    await own.view.query('select pg_advisory_unlock(5)')
    expect(await order).toEqual(['quick', 'slow'])
  })

  it('makes what waits behind it look for another connection, though nothing is answered', async () => {
    const pool = own.pool(road, { poolSize: 2 })
    const held = await pool.connect()
    const worker = startWorker()
    await own.view.query('select pg_advisory_lock(6)')
    const quick = worker.run(async ({ attach, keep, say }) => {
      const pool = await attach<Client>()
      const slow = pool.query('select pg_advisory_lock_shared(6), pg_advisory_unlock_shared(6)')
      keep('slow', slow)
      // Nobody is known to be quick yet: this waits for the answer.
      const quick = pool.query('select 1')
      say('asked')
      await quick
    })
    await worker.hear()
    await eventually(() => pool.status().waiting).toBe(1)
    await held.close()
    await quick
    await own.view.query('select pg_advisory_unlock(6)')
    await worker.run(({ kept }) => kept<Promise<unknown>>('slow').then(() => undefined))
  })
})

describe.each(oneRoad)('a thread that can not do it all by itself, over %s,', road => {
  it('has its statements run by the coordinator where it can not reach the connection', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    await withoutDescriptors(worker)
    const seen = await worker.run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      const ask = (n: number): Promise<Rows> => pool.query<Rows>('select $1::int as n', [n])
      const first = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(n)))
      const second = await ask(20)
      const failure = await failureOf(() => pool.query('selct'))
      const late = await failureOf(() => pool.query('select pg_sleep(600)', [], { timeoutMs: 50 }))
      return { numbers: [...first, second].map(({ rows }) => rows[0]!.n), failure, late }
    })
    expect(seen.numbers).toEqual(Array.from({ length: 21 }, (_, n) => n))
    expect(seen.failure.fields).toMatchObject({ code: '42601' })
    expect(seen.late).toMatchObject({ class: 'TimeoutError', fields: { phase: 'query' } })
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })

  it.each(['checkout', 'checkin', 'reset'] as const)(
    'leaves them to the coordinator while somebody listens to %s',
    async event => {
      const pool = own.pool(road)
      const worker = startWorker()
      await worker.run(async ({ attach, keep }) => {
        await keep('pool', await attach<Client>()).query('select 1')
      })
      const heard: string[] = []
      pool.on(event, () => void heard.push(event))
      await worker.run(({ kept }) =>
        kept<PoolClient<Client>>('pool')
          .query('select 2')
          .then(() => undefined),
      )
      await eventually(() => pool.status().checkedout).toBe(0)
      expect(heard.length).toBe(event === 'reset' ? heard.length : 1)
    },
  )

  it('waits with the deadline of the pool, and is told what the coordinator knows', async () => {
    const pool = own.pool(road, { timeoutMs: 50 })
    const fairy = await pool.connect()
    const failures = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      return Promise.all([1, 2].map(() => failureOf(() => pool.query('select 1'))))
    })
    for (const failure of failures) {
      expect(failure).toMatchObject({ class: 'TimeoutError', fields: { phase: 'wait', timeoutMs: 50, leased: 1 } })
      // Where the coordinator does not answer at once, the thread says what it knows by itself.
      expect(failure.message).toMatch(
        /^query\(\) timed out after 50 ms waiting for a connection: 1 of 1 connections are out, \d callers (of this thread )?wait/,
      )
    }
    await fairy.close()
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })
})
