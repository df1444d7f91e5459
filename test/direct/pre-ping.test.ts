import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { pg } from '../../src/dialects/pg.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import { StatementLog } from '../support/statement-log.ts'
import type { TestWorker } from '../support/test-worker.ts'

const log = new StatementLog()
const own = OwnServer.forThisFile({ settings: { log_statement: 'all' }, onLog: log.onLog })

/** What a ping asks: each something else. */
const ping = expect.stringMatching(/^select 1 as ping\d+$/) as unknown as string

const use = (worker: TestWorker, text: string): Promise<void> =>
  worker.run(async ({ attach, keep }, text) => {
    const pool = keep('pool', await attach<Client>())
    await pool.use(conn => conn.query(text))
  }, text)

/** The statements that the server hears when a worker uses, three times, a connection that it has used before. */
async function heard(worker: TestWorker): Promise<string[]> {
  await log.take(own.view)
  await worker.run(async ({ kept }) => {
    const pool = kept<PoolClient<Client>>('pool')
    for (let round = 0; round < 3; round++) {
      // Whatever was a sign of life a millisecond ago is none any more.
      for (const start = performance.now(); performance.now() - start < 2; );
      await pool.use(conn => conn.query('select 2'))
    }
  })
  return log.take(own.view)
}

describe.each(oneRoad)('prePing of a thread that runs the driver itself, over %s,', road => {
  it('is a look that the server does not hear of', async () => {
    own.pool(road, { prePing: true })
    const worker = startWorker()
    await use(worker, 'select 1')
    expect(await heard(worker)).toEqual(['select 2', 'select 2', 'select 2'])
  })

  it('asks the server once it has not been asked for pingIntervalMs', async () => {
    own.pool(road, { prePing: true, pingIntervalMs: 1 })
    const worker = startWorker()
    await use(worker, 'select 1')
    expect(await heard(worker)).toEqual([ping, 'select 2', ping, 'select 2', ping, 'select 2'])
  })

  it('asks the server where bytes wait that nobody has asked for, and reads them', async () => {
    const dialect = pg(own.config(road))
    const pool = own.pool(road, { dialect, prePing: true })
    const clients: Client[] = []
    pool.on('connect', client => void clients.push(client))
    const worker = startWorker()
    await use(worker, 'listen gossip')
    await own.view.query("select pg_notify('gossip', 'psst')")
    await eventually(() => dialect.handover!.peek(clients[0]!)).toBe('talking')
    expect(await heard(worker)).toEqual([ping, 'select 2', 'select 2', 'select 2'])
    expect(dialect.handover!.peek(clients[0]!)).toBe('quiet')
  })

  it('on the coordinator is a look as well, as long as other threads may read', async () => {
    const pool = own.pool(road, { prePing: true })
    await use(startWorker(), 'select 1')
    await log.take(own.view)
    for (let round = 0; round < 3; round++) await pool.use(conn => conn.query('select 3'))
    expect(await log.take(own.view)).toEqual(['select 3', 'select 3', 'select 3'])
  })

  it('is no business of a connection whose server has just answered, where there is no prePing', async () => {
    own.pool(road)
    const worker = startWorker()
    await use(worker, 'select 1')
    const { looks, stalls, rounds } = await worker.run(async ({ kept, load, require }) => {
      const fs = require('node:fs') as typeof import('node:fs')
      const { syncBuiltinESMExports } = (await load('node:module')) as typeof import('node:module')
      const { readSync } = fs
      let looks = 0
      fs.readSync = (...args: readonly unknown[]) => {
        looks++
        return Reflect.apply(readSync, fs, args)
      }
      syncBuiltinESMExports()
      const pool = kept<PoolClient<Client>>('pool')
      await pool.use(conn => conn.query('select 1'))
      const before = looks
      let [rounds, stalls] = [0, 0]
      const start = performance.now()
      for (let last = start; last - start < 300; rounds++) {
        const conn = await pool.connect()
        // It is looked at all the same after 50 ms, and a busy machine may take that long.
        if (performance.now() - last > 40) stalls++
        await conn.query('select 1')
        last = performance.now()
        await conn.close()
      }
      return { looks: looks - before, stalls, rounds }
    })
    expect(rounds).toBeGreaterThan(5)
    expect(looks).toBeLessThanOrEqual(stalls)
  })
})
