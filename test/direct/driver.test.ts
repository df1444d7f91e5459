import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { pg } from '../../src/dialects/pg.ts'
import type { Fairy } from '../../src/fairies/fairy.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, pidOf, roads } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

describe.each(roads)('the driver in a worker, over %s,', road => {
  it("is this thread's own: its client, errors, parsers, and what it was told at the login", async () => {
    own.pool(road)
    const seen = await startWorker().run(async ({ attach, require }) => {
      const pg = require('pg') as typeof import('pg')
      pg.types.setTypeParser(20, text => BigInt(text))
      const conn = await (await attach<Client>()).connect()
      const client = conn.connection as Client & { processID: number }
      const error = await conn.query('select 1/0').catch((error: unknown) => error)
      const { rows } = await conn.query('select 5::bigint as big, pg_backend_pid() as pid')
      await conn.close()
      return {
        isClient: client instanceof pg.Client,
        isPgs: error instanceof pg.DatabaseError,
        code: (error as { code: unknown }).code,
        big: rows[0].big as unknown,
        isSession: rows[0].pid === client.processID,
        after: conn.connection,
      }
    })
    expect(seen).toEqual({
      isClient: true,
      isPgs: true,
      code: '22012',
      big: 5n,
      isSession: true,
      after: undefined,
    })
  })

  it('takes every form of a query: arrays, several statements, callbacks, names', async () => {
    own.pool(road)
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      return pool.use(async conn => {
        const arrays = await conn.query({ text: 'select 1 as a, 2 as b', rowMode: 'array' })
        const several = (await conn.query('select 1 as a; select 2 as b')) as unknown as { rows: unknown[] }[]
        const query = conn.query as unknown as (...args: unknown[]) => void
        const called = await new Promise(resolve =>
          query('select $1::int as n', [3], (error: unknown, result: { rows: unknown[] }) =>
            resolve(error ?? result.rows),
          ),
        )
        const refused = await new Promise<unknown>(resolve => query('selekt', (error: unknown) => resolve(error)))
        const named = { name: 'add', text: 'select $1::int + 1 as n' }
        const sums = [await conn.query({ ...named, values: [1] }), await conn.query({ ...named, values: [2] })]
        return {
          arrays: arrays.rows,
          several: several.map(({ rows }) => rows),
          called,
          refused: (refused as { code: unknown }).code,
          sums: sums.map(({ rows }) => rows[0].n as number),
        }
      })
    })
    expect(seen).toEqual({
      arrays: [[1, 2]],
      several: [[{ a: 1 }], [{ b: 2 }]],
      called: [{ n: 3 }],
      refused: '42601',
      sums: [2, 3],
    })
  })

  it('keeps the callback form under way until it has answered: a close waits for it', async () => {
    const pool = own.pool(road)
    const seen = await startWorker().run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      const { rows } = await conn.query('select pg_backend_pid() as pid')
      const query = conn.query as unknown as (...args: unknown[]) => void
      const called = new Promise(resolve =>
        query('select pg_sleep(0.02), 1 as one', (error: unknown, result: { rows: { one: number }[] }) =>
          resolve(error ?? result.rows[0]!.one),
        ),
      )
      await conn.close()
      return { pid: rows[0].pid as number, one: await called }
    })
    expect(seen.one).toBe(1)
    expect(await pidOf(pool)).toBe(seen.pid)
  })

  it('prepares statements of its own: two threads may give one name to different texts, names may be long', async () => {
    own.pool(road)
    const workers = [startWorker(), startWorker()]
    const long = 'n'.repeat(80)
    const ask = async (text: string, index: number): Promise<unknown> =>
      workers[index]!.run(
        async ({ attach }, text, long) => {
          const { error } = console
          // The driver says of each long name that the server will cut it.
          console.error = () => {}
          const pool = await attach<Client>()
          const answers: unknown[] = []
          for (const name of ['same', `${long}a`, `${long}b`]) {
            const query = { name, text: `select '${text} ${name.at(-1)}' as answer` }
            answers.push((await pool.use(conn => conn.query(query))).rows[0].answer)
          }
          console.error = error
          return answers
        },
        text,
        long,
      )
    for (let round = 0; round < 2; round++) {
      expect(await ask('first', 0)).toEqual(['first e', 'first a', 'first b'])
      expect(await ask('second', 1)).toEqual(['second e', 'second a', 'second b'])
    }
  })

  it('knows nothing of a DEALLOCATE, and says so in its own words', async () => {
    own.pool(road)
    const failure = await startWorker().run(async ({ attach, failureOf }) => {
      const conn = await (await attach<Client>()).connect()
      const named = { name: 'one', text: 'select 1 as one' }
      await conn.query(named)
      await conn.query('deallocate all')
      const failure = await failureOf(() => conn.query(named))
      await conn.query('select 1')
      await conn.close()
      return failure
    })
    expect(failure).toMatchObject({ code: '26000' })
  })

  it('gives up a query after query_timeout, and the connection with it', async () => {
    const dialect = pg({ ...own.config(road), query_timeout: 50 })
    const pool = own.pool(road, { dialect, closeTimeoutMs: 50 })
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const conn = await (await attach<Client>()).connect()
      const pid = (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
      const failure = await failureOf(() => conn.query('select pg_sleep(300)'))
      await conn.close()
      return { pid, failure }
    })
    expect(seen.failure.message).toContain('timeout')
    const next = await pidOf(pool)
    expect(next).not.toBe(seen.pid)
    await eventually(() => own.view.pids()).toEqual([next])
  })

  it('hears notifications as long as it holds the connection, and its listeners go with it', async () => {
    own.pool(road)
    const worker = startWorker()
    const heard = await worker.run(async ({ attach, keep }) => {
      const pool = keep('pool', await attach<Client>())
      const conn = keep('conn', await pool.connect())
      const heard = keep<string[]>('heard', [])
      await conn.query('listen news')
      conn.on('notification', ({ payload }) => heard.push(payload!))
      const told = new Promise(resolve => conn.once('notification', resolve))
      await conn.query("notify news, 'mine'")
      await told
      return heard
    })
    expect(heard).toEqual(['mine'])
    // It listens before anything is told.
    await worker.run(({ kept, keep }) => {
      const conn = kept<Fairy<Client>>('conn')
      keep('told', new Promise<string>(resolve => conn.once('notification', ({ payload }) => resolve(payload!))))
    })
    await own.view.query("notify news, 'from elsewhere'")
    expect(await worker.run(({ kept }) => kept<Promise<string>>('told'))).toBe('from elsewhere')
    const after = await worker.run(async ({ attach, kept }) => {
      await kept<Fairy<Client>>('conn').close()
      const next = await (await attach<Client>()).connect()
      const listeners = next.connection!.listenerCount('notification')
      await next.query("notify news, 'of the next'")
      await next.close()
      return { listeners, heard: kept<string[]>('heard') }
    })
    expect(after).toEqual({ listeners: 0, heard: ['mine', 'from elsewhere'] })
  })
})
