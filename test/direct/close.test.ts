import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { OwnServer, pidOf, roads } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

/** How long the pools of these tests wait for what does not end by itself. */
const short = 400

describe.each(roads)('close() in a worker that runs the driver itself, over %s,', road => {
  it('lets the queries in flight finish, and the connection comes home the same', async () => {
    const pool = own.pool(road)
    const seen = await startWorker().run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      const pid = (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
      const asked = [1, 2, 3, 4].map(n => conn.query('select $1::int as n, pg_sleep(0.02)', [n]))
      await conn.close()
      const after = await conn.query('select 1').catch((error: Error) => error.message)
      return { pid, numbers: (await Promise.all(asked)).map(({ rows }) => rows[0].n as number), after }
    })
    expect(seen).toMatchObject({ numbers: [1, 2, 3, 4], after: expect.stringContaining('closed') })
    expect(await pidOf(pool)).toBe(seen.pid)
  })

  it('stops a query that does not end, after closeTimeoutMs; the connection is replaced', async () => {
    const pool = own.pool(road, { closeTimeoutMs: short })
    const seen = await startWorker().run(async ({ attach, failureOf, warnings }) => {
      const conn = await (await attach<Client>()).connect()
      const pid = (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
      const failing = failureOf(() => conn.query('select pg_sleep(300)'))
      await conn.close()
      const failure = await failing
      return { pid, failure, codes: warnings.map(({ code }) => code) }
    })
    expect(seen.failure).toMatchObject({ code: '57014' })
    expect(seen.codes).toContain('FAIRYPOOL_CALL_IN_FLIGHT')
    const next = await pidOf(pool)
    expect(next).not.toBe(seen.pid)
    await eventually(() => own.view.pids()).toEqual([next])
  })

  it('waits for what was asked of the driver itself, past the fairy', async () => {
    const pool = own.pool(road)
    const seen = await startWorker().run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      const client = conn.connection!
      const { rows } = await client.query('select pg_backend_pid() as pid')
      const asked = client.query('select pg_sleep(0.02), 1 as one')
      await conn.close()
      return { pid: rows[0].pid as number, one: (await asked).rows[0].one as unknown }
    })
    expect(seen.one).toBe(1)
    expect(await pidOf(pool)).toBe(seen.pid)
  })

  it('replaces a connection whose driver was told to end it', async () => {
    const pool = own.pool(road)
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const conn = await (await attach<Client>()).connect()
      const { rows } = await conn.query('select pg_backend_pid() as pid')
      const refused = await failureOf(() => conn.end())
      await conn.connection!.end()
      await conn.close()
      return { pid: rows[0].pid as number, refused }
    })
    expect(seen.refused).toMatchObject({ class: 'MethodNotAllowedError' })
    expect(await pidOf(pool)).not.toBe(seen.pid)
  })

  it('stops all queries that do not end, one after another', async () => {
    // Time enough for three cancels.
    const pool = own.pool(road, { closeTimeoutMs: 20 * short })
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const conn = await (await attach<Client>()).connect()
      const { rows } = await conn.query('select pg_backend_pid() as pid')
      const failing = [1, 2, 3].map(() => failureOf(() => conn.query('select pg_sleep(300)')))
      await conn.close()
      return { pid: rows[0].pid as number, codes: (await Promise.all(failing)).map(({ code }) => code) }
    })
    expect(seen.codes).toEqual(['57014', '57014', '57014'])
    const next = await pidOf(pool)
    await eventually(() => own.view.pids()).toEqual([next])
  })

  it('closes a cursor that was left open, which does not look as if it had come to its end', async () => {
    const pool = own.pool(road)
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const conn = await (await attach<Client>()).connect()
      const pid = (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
      const cursor = conn.cursor<{ n: number }>('select generate_series(1, 1000000) n', [], { batchSize: 1 })
      const first = (await cursor.next()).value
      await conn.close()
      return { pid, first, failure: await failureOf(() => cursor.next()) }
    })
    expect(seen).toMatchObject({ first: { n: 1 }, failure: { class: 'InvalidRequestError' } })
    expect(await pidOf(pool)).toBe(seen.pid)
  })

  it("replaces a connection with a driver's own cursor open, which nobody here could close", async () => {
    const pool = own.pool(road, { closeTimeoutMs: short })
    const seen = await startWorker().run(async ({ attach, require }) => {
      const Cursor = require('pg-cursor') as typeof import('pg-cursor')
      const conn = await (await attach<Client>()).connect()
      const pid = (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
      const cursor = conn.query(new Cursor<{ n: number }>('select generate_series(1, 1000000) n'))
      const rows = await cursor.read(2)
      await conn.close()
      return { pid, rows }
    })
    expect(seen.rows).toEqual([{ n: 1 }, { n: 2 }])
    expect(await pidOf(pool)).not.toBe(seen.pid)
  })

  it.each(['from stdin', 'to stdout'] as const)('ends a COPY %s that nobody goes on with', async direction => {
    const pool = own.pool(road, { closeTimeoutMs: short })
    const seen = await startWorker().run(async ({ attach, require, failureOf }, direction) => {
      const copy = require('pg-copy-streams') as typeof import('pg-copy-streams')
      const { once } = require('node:events') as typeof import('node:events')
      const conn = await (await attach<Client>()).connect()
      const pid = (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
      await conn.query('create temp table lines (line text)')
      let ended: Promise<unknown>
      if (direction === 'from stdin') {
        const stream = conn.query(copy.from('copy lines from stdin'))
        ended = failureOf(() => once(stream, 'finish'))
        await new Promise<void>((resolve, reject) =>
          stream.write('one\n', error => (error ? reject(error) : resolve())),
        )
      } else {
        const endless = "copy (select repeat('x', 1000), generate_series(1, 100000000)) to stdout"
        const stream = conn.query(copy.to(endless))
        await once(stream, 'readable')
        ended = failureOf(async () => {
          for await (const _ of stream);
        })
      }
      await conn.close()
      await ended
      return { pid, isValid: conn.isValid }
    }, direction)
    expect(seen.isValid).toBe(false)
    const next = await pidOf(pool)
    expect(next).not.toBe(seen.pid)
    await eventually(() => own.view.pids()).toEqual([next])
  })
})
