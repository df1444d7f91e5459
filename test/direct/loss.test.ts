import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, pidOf, roads } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()

const gone = (): Promise<void> => eventually(() => own.view.pids()).toEqual([])

/** In a worker: a connection is used once, so that the thread has its own descriptor of it. */
const use = (worker: TestWorker): Promise<number> =>
  worker.run(async ({ attach, keep }) => {
    const pool = keep('pool', await attach<Client>())
    return (await pool.use(conn => conn.query('select pg_backend_pid() as pid'))).rows[0].pid as number
  })

/** A thread that has last looked at its connections long ago, by its clock. */
const later = (worker: TestWorker): Promise<void> =>
  worker.run(() => {
    const { now } = Date
    Date.now = () => now() + 51
  })

describe.each(roads)('a session that the server ends, over %s,', road => {
  it.each([
    ['with prePing, however lately it was looked at', true],
    ['without, when it has not been looked at for 50 ms', false],
  ])('while it is idle is found by a look at the next checkout: %s', async (_, prePing) => {
    const pool = own.pool(road, { prePing })
    const worker = startWorker()
    const first = await use(worker)
    await own.view.terminate(first)
    await gone()
    if (!prePing) await later(worker)
    const second = await use(worker)
    expect(second).not.toBe(first)
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('while it is idle is found by the coordinator too, though it does not read', async () => {
    const pool = own.pool(road)
    const first = await use(startWorker())
    await own.view.terminate(first)
    await gone()
    expect(await pidOf(pool)).not.toBe(first)
  })

  it('while it is idle fails the query of who has not looked, and is replaced for the next', async () => {
    own.pool(road)
    const worker = startWorker()
    const first = await use(worker)
    await worker.run(() => {
      const now = Date.now()
      Date.now = () => now
    })
    await worker.run(({ kept }) =>
      kept<{ connect(): Promise<Fairy> }>('pool')
        .connect()
        .then(c => c.close()),
    )
    await own.view.terminate(first)
    await gone()
    const failure = await worker.run(async ({ kept, failureOf }) => {
      const pool = kept<{ connect(): Promise<Fairy<Client>> }>('pool')
      const conn = await pool.connect()
      const failure = await failureOf(() => conn.query('select 1'))
      const isValid = conn.isValid
      await conn.close()
      return { ...failure, isValid }
    })
    expect(failure.isValid).toBe(false)
    expect(await use(worker)).not.toBe(first)
  })

  it('while it is held and quiet fails the next query; the fairy is dead, the next one is over another', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    const pid = await worker.run(async ({ attach, keep }) => {
      const conn = keep('conn', await (await attach<Client>()).connect())
      return (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
    })
    await own.view.terminate(pid)
    await gone()
    const seen = await worker.run(async ({ kept, failureOf }) => {
      const conn = kept<Fairy<Client>>('conn')
      const failure = await failureOf(() => conn.query('select 1'))
      const isValid = conn.isValid
      await conn.close()
      return { failure, isValid, later: await failureOf(() => conn.query('select 1')) }
    })
    expect(seen).toMatchObject({ isValid: false, later: { class: 'InvalidRequestError' } })
    expect(await pidOf(pool)).not.toBe(pid)
  })

  it('while it is held and never used comes home dead, and is replaced at its next checkout', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    const pid = await use(worker)
    await worker.run(async ({ attach, keep }) => void keep('conn', await (await attach<Client>()).connect()))
    await own.view.terminate(pid)
    await gone()
    await worker.run(({ kept }) => kept<Fairy<Client>>('conn').close())
    expect(await pidOf(pool)).not.toBe(pid)
  })

  it("in the middle of a query fails it with the server's error, in the worker's own class; all of its age are replaced", async () => {
    const pool = own.pool(road, { poolSize: 2 })
    const worker = startWorker()
    const seen = await worker.run(async ({ attach, require, failureOf }) => {
      const pg = require('pg') as typeof import('pg')
      const pool = await attach<Client>()
      const [first, other] = await Promise.all([pool.connect(), pool.connect()])
      const pids = await Promise.all([first, other].map(conn => conn.query('select pg_backend_pid() as pid')))
      await other.close()
      const query = first.query('select pg_terminate_backend(pg_backend_pid()), pg_sleep(300)')
      const error = await query.catch((error: unknown) => error)
      const later = await failureOf(() => first.query('select 1'))
      await first.close()
      return {
        code: (error as { code: unknown }).code,
        isPgs: error instanceof pg.DatabaseError,
        later,
        pids: pids.map(({ rows }) => rows[0].pid as number),
      }
    })
    expect(seen).toMatchObject({ code: '57P01', isPgs: true, later: { class: 'InvalidRequestError' } })
    const fairies = await Promise.all([pool.connect(), pool.connect()])
    const answers = await Promise.all(
      fairies.map(each => each.query<{ pid: number }>('select pg_backend_pid() as pid')),
    )
    const now = answers.map(({ rows }) => rows[0]!.pid)
    for (const fairy of fairies) await fairy.close()
    for (const pid of now) expect(seen.pids).not.toContain(pid)
    // The old ones may still be on their way out.
    await eventually(() => own.view.pids()).toHaveLength(2)
  })
})

it.each(['crashes', 'is stopped'] as const)('a server that %s is found again when it is back', async how => {
  const pool = own.pool('TCP', { poolSize: 2 })
  const worker = startWorker()
  await use(worker)
  const hung = worker.run(async ({ attach, failureOf }) => {
    const pool = await attach<Client>()
    const both = await Promise.all([pool.connect(), pool.connect()])
    const waiting = failureOf(() => pool.connect())
    const failures = await Promise.all(both.map(conn => failureOf(() => conn.query('select pg_sleep(300)'))))
    for (const conn of both) await conn.close()
    return [...failures, await waiting]
  })
  await eventually(async () => (await own.view.sessions()).filter(({ state }) => state === 'active').length).toBe(2)
  await (how === 'crashes' ? own.server.kill() : own.server.stop())
  expect(await hung).toHaveLength(3)
  await expect(use(worker)).rejects.toThrow('ECONNREFUSED')
  await own.restart()
  const pids = [await use(worker), await pidOf(pool)]
  expect(await own.view.pids()).toEqual(expect.arrayContaining(pids))
  expect(pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
})
