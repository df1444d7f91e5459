import type { Client } from 'pg'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { OwnServer, pidOf, roads } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

beforeAll(() => own.view.query('create table books (n int)'))
beforeEach(() => own.view.query('truncate books'))

const books = async (): Promise<number> =>
  (await own.view.query<{ count: number }>('select count(*)::int from books'))[0]!.count

describe.each(roads)('a transaction that a worker leaves open, over %s,', road => {
  it.each([
    ['rollback', 0, 'idle'],
    ['commit', 1, 'idle'],
    ['none', 0, 'idle in transaction'],
  ] as const)('meets resetOnReturn %s', async (resetOnReturn, kept, state) => {
    const pool = own.pool(road, { resetOnReturn })
    await startWorker().run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      await conn.query('begin')
      await conn.query('insert into books values (1)')
      await conn.close()
    })
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    expect(await books()).toBe(kept)
    expect((await own.view.sessions()).map(each => each.state)).toEqual([state])
  })

  it('after a failure is rolled back as well, and the connection is lent again', async () => {
    const pool = own.pool(road)
    const pid = await startWorker().run(async ({ attach, failureOf }) => {
      const conn = await (await attach<Client>()).connect()
      const pid = (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
      await conn.query('begin')
      await conn.query('insert into books values (1)')
      await failureOf(() => conn.query('select 1/0'))
      await failureOf(() => conn.query('select 1'))
      await conn.close()
      return pid
    })
    expect(await pidOf(pool)).toBe(pid)
    expect(await books()).toBe(0)
  })

  it('is opened by a query that is still in flight at the close, and is ended all the same', async () => {
    const pool = own.pool(road)
    await startWorker().run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      const asked = [conn.query('begin'), conn.query('insert into books values (1)')]
      await conn.close()
      await Promise.all(asked)
    })
    const { rows } = await pool.use(conn => conn.query('select count(*)::int from books'))
    expect(rows).toEqual([{ count: 0 }])
    expect((await own.view.sessions()).map(each => each.state)).toEqual(['idle'])
  })

  it('is rolled back when the fairy is forgotten and collected', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    const pid = await worker.run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      const { rows } = await conn.query('select pg_backend_pid() as pid')
      await conn.query('begin')
      await conn.query('insert into books values (1)')
      return rows[0].pid as number
    })
    expect(pool.status().checkedout).toBe(1)
    await eventually(async () => {
      await worker.run(({ collect }) => collect())
      return pool.status().checkedout
    }).toBe(0)
    expect(await pidOf(pool)).toBe(pid)
    expect(await books()).toBe(0)
    const codes = await worker.run(({ warnings }) => warnings.map(({ code }) => code))
    expect(codes).toEqual([])
  })

  it('with a cursor open in it is ended too, when both are forgotten and collected', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    const pid = await worker.run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      const { rows } = await conn.query('select pg_backend_pid() as pid')
      await conn.query('begin')
      await conn.query('insert into books values (1)')
      await conn.cursor('select generate_series(1, 1000)', [], { batchSize: 1 }).next()
      return rows[0].pid as number
    })
    await eventually(async () => {
      await worker.run(({ collect }) => collect())
      return pool.status().checkedout
    }).toBe(0)
    expect(await pidOf(pool)).toBe(pid)
    expect(await books()).toBe(0)
  })

  it('that was ended by its worker needs no coordinator: the connection comes home by itself', async () => {
    const pool = own.pool(road)
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      const posts: unknown[] = []
      await pool.use(conn => conn.query('select 1'))
      const { postMessage } = MessagePort.prototype
      MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
        if (Array.isArray(args[0])) posts.push(args[0])
        return Reflect.apply(postMessage, this, args)
      }
      for (const end of ['commit', 'rollback', 'commit']) {
        await pool.use(async conn => {
          await conn.query('begin')
          await conn.query('insert into books values (1)')
          await conn.query(end)
        })
      }
      return posts
    })
    expect(seen).toEqual([])
    expect(await books()).toBe(2)
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })
})
