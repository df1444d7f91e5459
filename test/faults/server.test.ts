import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, pidOf } from '../support/own-server.ts'
import { openHouse, transports } from './house.ts'
import { failuresOf, hold, later, use, useMany } from './scripts.ts'

const own = OwnServer.forThisFile()
const gone = (): Promise<void> => eventually(() => own.view.pids()).toEqual([])

describe.each(transports)('%s:', transport => {
  it('fault 1: the server restarts under four idle connections, and the next four checkouts do not fail', async () => {
    const { pool, worker } = await openHouse(own, transport, { poolSize: 4 })
    const before = await worker.run(useMany, 4)
    await own.server.stop()
    await own.restart()
    await worker.run(later)
    expect(await worker.run(failuresOf, 4)).toEqual([])
    const now = await worker.run(useMany, 4)
    expect(now.filter(pid => before.includes(pid))).toEqual([])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 4, checkedout: 0 })
  })

  it('fault 1: where nobody hears of the restart, the first who uses one of them reports it for all', async () => {
    const { pool, proxy, worker } = await openHouse(own, transport, { poolSize: 4 })
    await worker.run(useMany, 4)
    proxy.forgetAll()
    await own.server.stop()
    await own.restart()
    await worker.run(later)
    expect(await worker.run(failuresOf, 8)).toHaveLength(1)
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0 })
  })

  it('fault 6: the server ends idle connections, and the next checkout gets a new one', async () => {
    const { worker } = await openHouse(own, transport, {
      poolSize: 2,
      config: { options: '-c idle_session_timeout=700' },
    })
    await worker.run(useMany, 2)
    await gone()
    await worker.run(later)
    expect(await worker.run(failuresOf, 2)).toEqual([])
  })

  it('fault 6: what is between cuts idle connections without a word, and with prePing nobody gets one', async () => {
    const { proxy, worker } = await openHouse(own, transport, { poolSize: 2, prePing: true, pingIntervalMs: 0 })
    await worker.run(useMany, 2)
    proxy.forgetAll()
    expect(await worker.run(failuresOf, 2)).toEqual([])
  })

  it('fault 8: an error on an idle connection ends no thread, neither the owner of the pool nor a user', async () => {
    const { worker } = await openHouse(own, transport)
    const pid = await worker.run(use)
    // 57P01, a FATAL error that nobody asked for, and then the end.
    await own.view.terminate(pid)
    await gone()
    await worker.run(later)
    expect(await worker.run(use)).not.toBe(pid)
    expect(worker.error).toBeUndefined()
  })

  it('fault 8: neither does an error on an idle connection that its own pool has for itself', async () => {
    const { pool } = await openHouse(own, transport)
    const clients: Client[] = []
    pool.on('connect', client => void clients.push(client))
    const pid = await pidOf(pool)
    const [client] = clients
    const ended = new Promise(resolve => client!.once('end', resolve))
    await own.view.terminate(pid)
    // The word has to come through the proxy. Where other threads may read, this one does not read what is idle: it looks.
    if (transport === 'remote') await ended
    else await eventually(() => pool.dialect.handover!.peek(client!) === 'quiet').toBe(false)
    expect(await pidOf(pool)).not.toBe(pid)
  })

  it('fault 9: an error between two queries of one holder fails the second; then the fairy is dead, and the place is not', async () => {
    const { pool, worker } = await openHouse(own, transport)
    const pid = await worker.run(hold)
    await own.view.terminate(pid)
    await gone()
    const seen = await worker.run(async ({ kept, failureOf }) => {
      const conn = kept<Fairy<Client>>('conn')
      const first = await failureOf(() => conn.query('select 1'))
      const isValid = conn.isValid
      const second = await failureOf(() => conn.query('select 1'))
      await conn.close()
      return { first, isValid, second }
    })
    expect(seen).toMatchObject({ isValid: false, second: { class: 'InvalidRequestError' } })
    expect(await worker.run(use)).not.toBe(pid)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    expect(worker.error).toBeUndefined()
  })

  it('fault 10: the peer closes between the ping and the first query: that fails, and the next gets another', async () => {
    const { pool, worker } = await openHouse(own, transport, { prePing: true })
    await worker.run(use)
    const ended = new Promise<number>(resolve => {
      pool.once('checkout', async client => {
        const pid = Reflect.get(client, 'processID') as number
        await own.view.terminate(pid)
        resolve(pid)
      })
    })
    // A thread that runs the driver itself looks once more, and has seen it coming.
    expect(await worker.run(failuresOf, 1)).toHaveLength(transport === 'direct' ? 0 : 1)
    expect(await worker.run(use)).not.toBe(await ended)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('fault 10: a connection that is cut in the middle of a message fails its query, and is not lent again', async () => {
    const { pool, proxy, worker } = await openHouse(own, transport)
    const pid = await worker.run(use)
    proxy.links[0]!.limit(2000, 'cut')
    const failure = await worker.run(({ kept, failureOf }) =>
      failureOf(() =>
        kept<PoolClient<Client>>('pool').use(conn =>
          conn.query("select repeat('x', 10000) from generate_series(1, 9)"),
        ),
      ),
    )
    expect(failure.message).toMatch(/terminated|ECONNRESET/)
    expect(await worker.run(use)).not.toBe(pid)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('fault 10: an answer that nobody has asked for is nobody’s: its connection is replaced', async () => {
    const { pool, proxy, worker } = await openHouse(own, transport)
    const pid = await worker.run(use)
    proxy.links[0]!.forge(forgedAnswer)
    // Has arrived: is there to be read, or has been read by who attends to it.
    const record = pool.records.at(0)!
    await eventually(() => record.isLost || record.attendance?.peek === 'talking').toBe(true)
    await worker.run(later)
    const answer = await worker.run(({ kept }) =>
      kept<PoolClient<Client>>('pool').use(async conn => (await conn.query('select pg_backend_pid() as pid')).rows),
    )
    // The old session may still be on its way out.
    await eventually(() => own.view.pids()).toHaveLength(1)
    const [now] = await own.view.pids()
    expect(answer).toEqual([{ pid: now }])
    expect(now).not.toBe(pid)
  })
})

/** A result of no rows, and ReadyForQuery. */
const forgedAnswer = Buffer.concat([
  Buffer.from([0x43, 0, 0, 0, 13]),
  Buffer.from('SELECT 0\0'),
  Buffer.from([0x5a, 0, 0, 0, 5, 0x49]),
])
