import { setImmediate as turn } from 'node:timers/promises'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import { Standby } from '../support/standby.ts'
import type { WorkerContext } from '../support/worker-context.ts'
import { openHouse, transports } from './house.ts'
import { later } from './scripts.ts'

const own = OwnServer.forThisFile()
let standby: Standby

beforeAll(async () => {
  standby = await Standby.of(own.server)
  await own.restart()
  await own.view.query('create table notes (n int)')
  while ((await standby.query("select 1 from pg_class where relname = 'notes'")).length === 0) await turn()
})
afterAll(() => standby?.remove())

/** Writes a note; the error's SQLSTATE, if there is one. */
const write = async ({ kept }: WorkerContext, n: number): Promise<unknown> => {
  try {
    await kept<PoolClient<Client>>('pool').use(conn => conn.query('insert into notes values ($1)', [n]))
    return 'written'
  } catch (error) {
    return (error as { code?: unknown }).code ?? (error as Error).message
  }
}

describe.each(transports)('%s:', transport => {
  it('fault 7: whoever finds himself on a read-only server says so for all, and all move to the new address', async () => {
    const { proxy, worker, another } = await openHouse(own, transport, { poolSize: 2 })
    const other = await another()
    proxy.target = standby.port
    expect(await Promise.all([worker, other].map(thread => thread.run(write, 1)))).toEqual(['25006', '25006'])
    proxy.target = own.server.port
    // Its connections live, and stay where they are.
    expect(await other.run(write, 1)).toBe('25006')
    await worker.run(async ({ kept }) => {
      const pool = kept<PoolClient<Client>>('pool')
      const conn: Fairy<Client> = await pool.connect()
      await conn.query('insert into notes values (1)').catch((error: unknown) => pool.invalidate(conn as never, error))
      await conn.close()
    })
    expect(await Promise.all([worker, other].map(thread => thread.run(write, 1)))).toEqual(['written', 'written'])
  })

  it('fault 7: with recycleMs connections move to a new address by themselves', async () => {
    const { pool, proxy, worker } = await openHouse(own, transport, { recycleMs: 3000 })
    proxy.target = standby.port
    expect(await worker.run(write, 2)).toBe('25006')
    proxy.target = own.server.port
    expect(await worker.run(write, 2)).toBe('25006')
    pool.slots.stampOpening(0, pool.slots.openedAt(0) - 3000)
    expect(await worker.run(write, 2)).toBe('written')
  })
})

it('fault 7: the primary dies, its replica is promoted behind the address, and callers go on as if they had waited', async () => {
  const houses = await Promise.all(
    transports.map(transport => openHouse(own, transport, { poolSize: 2, retryConnect: true })),
  )
  for (const { worker } of houses) expect(await worker.run(write, 3)).toBe('written')
  const [written] = await own.view.query<{ n: number }>('select count(*)::int as n from notes')
  await eventually(() => standby.query('select count(*)::int as n from notes')).toEqual([written])
  await own.server.kill()
  await Promise.all(houses.map(({ worker }) => worker.run(later)))
  const writing = houses.map(({ worker }) => worker.run(write, 4))
  await standby.promote()
  for (const { proxy } of houses) proxy.target = standby.port
  expect(await Promise.all(writing)).toEqual(['written', 'written'])
  const now = await standby.query<{ n: number }>('select count(*)::int as n from notes')
  expect(now).toEqual([{ n: written!.n + 2 }])
  for (const { pool } of houses) expect(pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
})
