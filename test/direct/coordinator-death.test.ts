import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type * as Door from '../../src/index.ts'
import type * as PgDoor from '../../src/pg.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

/** Of an advisory lock that the observer holds, so that queries wait for it. */
const key = 11

describe.each(oneRoad)("the death of the coordinator's thread, over %s,", road => {
  it('settles all that is under way in other threads with errors, and ends every session', async () => {
    const coordinator = startWorker()
    const address = await coordinator.run(async ({ load, keep }, config) => {
      const { createPool } = (await load('../../src/index.js')) as typeof Door
      const { pg } = (await load('../../src/pg.js')) as typeof PgDoor
      return keep('pool', createPool({ dialect: pg(config), poolSize: 3, maxOverflow: 0 })).share()
    }, own.config(road))
    await own.view.query('select pg_advisory_lock($1)', [key])
    const worker = startWorker()
    const asked = worker.run(
      async ({ attach, failureOf }, address, key) => {
        const pool = await attach<Client>(address)
        const [busy, quiet, own] = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
        for (const conn of [busy, quiet, own]) await conn.query('select 1')
        await own.detach()
        const waiting = pool.connect()
        const fourth = await waiting
        const late = failureOf(() => pool.connect())
        const query = await failureOf(() => busy.query('select pg_advisory_lock($1)', [key]))
        const after = await failureOf(() => quiet.query('select 1'))
        const all = [busy, quiet, own, fourth]
        const valid = all.map(({ isValid }) => isValid)
        // Nothing of it is closed here: what a detached one is worth without its pool, nobody could say.
        Object.assign(globalThis, { all })
        return { late: await late, query, after, valid, isAttached: pool.isAttached }
      },
      address,
      key,
    )
    await eventually(async () => (await own.view.sessions()).map(({ state }) => state).sort()).toEqual([
      'active',
      'idle',
      'idle',
      'idle',
    ])
    await coordinator.terminate()
    expect(await asked).toMatchObject({
      late: { class: 'CoordinatorLostError' },
      query: { message: expect.stringMatching(/terminated/) },
      after: { class: 'CoordinatorLostError' },
      valid: [false, false, false, false],
      isAttached: false,
    })
    // What runs there notices that nobody is left when it has something to say.
    await own.view.query('select pg_advisory_unlock($1)', [key])
    await eventually(() => own.view.pids()).toEqual([])
  })
})
