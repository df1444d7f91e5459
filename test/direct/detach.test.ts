import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, pidOf, type Road, roads } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()

/** A worker with a connection of its own, that the pool has let go, and the pids of both. */
async function detached(road: Road): Promise<{ worker: TestWorker; mine: number; pools: number }> {
  const pool = own.pool(road)
  const worker = startWorker()
  const mine = await worker.run(async ({ attach, keep }) => {
    const conn = keep('conn', await (await attach<Client>()).connect())
    await conn.query('select 1')
    await conn.detach()
    return (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
  })
  const pools = await pidOf(pool)
  expect(pools).not.toBe(mine)
  expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  return { worker, mine, pools }
}

describe.each(roads)('a connection that a worker has detached, over %s,', road => {
  it("stays the worker's, beside the pool's, and close() ends its session", async () => {
    const { worker, mine, pools } = await detached(road)
    const seen = await worker.run(async ({ kept }) => {
      const conn = kept<Fairy<Client>>('conn')
      const { rows } = await conn.query('select pg_backend_pid() as pid')
      const { isValid } = conn
      await conn.close()
      return { pid: rows[0].pid as number, isValid, after: conn.isValid }
    })
    expect(seen).toEqual({ pid: mine, isValid: true, after: false })
    await eventually(() => own.view.pids()).toEqual([pools])
  })

  it('ends with a close that finds a query in flight, once that has finished', async () => {
    const { worker, pools } = await detached(road)
    const rows = await worker.run(async ({ kept }) => {
      const conn = kept<Fairy<Client>>('conn')
      const asked = conn.query('select pg_sleep(0.02), 1 as one')
      await conn.close()
      return (await asked).rows
    })
    expect(rows).toMatchObject([{ one: 1 }])
    await eventually(() => own.view.pids()).toEqual([pools])
  })

  it('ends with its thread, whatever it runs', async () => {
    const { worker, mine, pools } = await detached(road)
    worker.runToDeath(({ kept }) => kept<Fairy<Client>>('conn').query('select pg_sleep(300)'))
    await eventually(async () => (await own.view.sessions()).find(({ pid }) => pid === mine)?.state).toBe('active')
    await worker.terminate()
    await eventually(() => own.view.pids()).toEqual([pools])
  })

  it('ends when it is forgotten and collected', async () => {
    const { worker, pools } = await detached(road)
    await worker.run(({ drop }) => drop('conn'))
    await eventually(async () => {
      await worker.run(({ collect }) => collect())
      return own.view.pids()
    }).toEqual([pools])
  })

  it('can be detached before it was ever used', async () => {
    const pool = own.pool(road)
    const pid = await startWorker().run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      await conn.detach()
      const { rows } = await conn.query('select pg_backend_pid() as pid')
      await conn.close()
      return rows[0].pid as number
    })
    const next = await pidOf(pool)
    expect(next).not.toBe(pid)
    await eventually(() => own.view.pids()).toEqual([next])
  })
})
