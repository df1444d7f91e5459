import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import { openHouse, transports } from './house.ts'
import { failToConnect, later, use, useAtLast } from './scripts.ts'

const own = OwnServer.forThisFile()

/** How long the pools and callers of these tests wait for what does not end by itself. */
const short = 100

/** What has not ended by its own deadline ends by this one, or never. How exact deadlines are is said in outage.test.ts. */
const long = 30_000

/** The phase of a timeout: a thread tells what it knows itself, that its caller waits, if the coordinator's is late to say more. */
const openingOrUntold: unknown = expect.stringMatching(/^(connect|wait)$/)

/** Ended at its deadline, on a machine that does other things too. */
const onTime = (ms: number): { inRange: boolean; ms: number } => ({ inRange: ms >= short - 1 && ms < long / 3, ms })

describe.each(transports)('%s:', transport => {
  it('fault 2: the network falls silent under an idle connection: the checkout ends at its deadline, in its ping', async () => {
    const { pool, proxy, worker } = await openHouse(own, transport, {
      prePing: true,
      pingIntervalMs: 0,
      closeTimeoutMs: short,
    })
    await worker.run(use)
    proxy.silence()
    const { ms, ...failure } = await worker.run(failToConnect, short)
    expect(failure).toMatchObject({ class: 'TimeoutError' })
    expect(onTime(ms)).toMatchObject({ inRange: true })
    await proxy.mend()
    // What waits for the lost answer is given up in its turn, or goes on when it is asked again.
    proxy.resetAll()
    await worker.run(later)
    await worker.run(use)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('fault 2: silent while it opens: the checkout ends at its deadline, the attempt at connectTimeoutMs', async () => {
    const { pool, proxy, worker } = await openHouse(own, transport, { connectTimeoutMs: 3 * short })
    proxy.leaveHanging()
    const phase = async (): Promise<unknown> => {
      const { ms, ...failure } = await worker.run(failToConnect, short)
      expect(failure).toMatchObject({ class: 'TimeoutError', fields: { timeoutMs: short } })
      expect(onTime(ms)).toMatchObject({ inRange: true })
      await eventually(() => pool.status()).toMatchObject({ checkedout: 0 })
      // The socket of the attempt that was given up is gone too.
      await eventually(() => proxy.links).toEqual([])
      return failure.fields?.phase
    }
    await eventually(phase).toBe('connect')
    await proxy.mend()
    await worker.run(useAtLast)
  })

  it('fault 2: silent at the reset: the place is free at resetTimeoutMs, with another connection for the next', async () => {
    const { pool, proxy, worker } = await openHouse(own, transport, { resetTimeoutMs: short, closeTimeoutMs: short })
    const pid = await worker.run(use)
    await worker.run(async ({ kept, keep }) => {
      const conn = keep('conn', await kept<PoolClient<Client>>('pool').connect())
      await conn.query('begin')
    })
    proxy.silence()
    await worker.run(({ kept }) => kept<{ close(): Promise<void> }>('conn').close())
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0 })
    await proxy.mend()
    expect(await worker.run(use)).not.toBe(pid)
  })

  it('fault 2: silent in a query: its close ends at closeTimeoutMs, and the query fails', async () => {
    const { proxy, worker } = await openHouse(own, transport, { closeTimeoutMs: short })
    const pid = await worker.run(use)
    proxy.silence()
    const failure = await worker.run(async ({ kept, failureOf }) => {
      const conn = await kept<PoolClient<Client>>('pool').connect()
      const failure = failureOf(() => conn.query('select 1'))
      await conn.close()
      return failure
    })
    expect(failure.message).toMatch(/terminated|closed|cut|cancel/i)
    await proxy.mend()
    expect(await worker.run(use)).not.toBe(pid)
  })

  it('fault 2: silent at the end of the pool: dispose() takes no longer than closeTimeoutMs', async () => {
    const { pool, proxy, worker } = await openHouse(own, transport, { closeTimeoutMs: short })
    await worker.run(use)
    proxy.silence()
    const started = performance.now()
    await pool.dispose()
    expect(onTime(performance.now() - started)).toMatchObject({ inRange: true })
    expect(pool.records.size).toBe(0)
  })

  it('fault 3: a server that accepts and never speaks costs a caller his deadline, and the pool one attempt', async () => {
    const { pool, proxy, worker } = await openHouse(own, transport, { connectTimeoutMs: short })
    proxy.leaveHanging()
    const { ms, ...failure } = await worker.run(failToConnect, long)
    expect(failure).toMatchObject({ class: 'TimeoutError', fields: { phase: 'connect', timeoutMs: short } })
    expect(onTime(ms)).toMatchObject({ inRange: true })
    expect(proxy.attempts).toBe(1)
    await proxy.mend()
    await worker.run(useAtLast)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it.each([0, 1, 9, 30, 60])(
    'fault 3: so does one that stalls after %i bytes of its part of the login',
    async bytes => {
      const { proxy, worker } = await openHouse(own, transport, { connectTimeoutMs: short })
      proxy.limitNew(bytes, 'stall')
      const { ms, ...failure } = await worker.run(failToConnect, long)
      expect(failure).toMatchObject({ class: 'TimeoutError', fields: { phase: 'connect' } })
      expect(onTime(ms)).toMatchObject({ inRange: true })
      await proxy.mend()
      await worker.run(useAtLast)
    },
  )

  it.each([1, 30])('fault 3: one that ends the conversation after %i bytes is told at once', async bytes => {
    const { proxy, worker } = await openHouse(own, transport, { connectTimeoutMs: 2 * long })
    proxy.limitNew(bytes, 'cut')
    expect(await worker.run(failToConnect, long)).toMatchObject({
      message: expect.stringMatching(/ECONNRESET|terminated/),
    })
    await proxy.mend()
    await worker.run(useAtLast)
  })

  it('fault 5: a connection that opens after its caller has left is the next caller’s', async () => {
    const { pool, proxy, worker } = await openHouse(own, transport)
    proxy.delayMs = short
    const { fields } = await worker.run(failToConnect, short)
    expect(fields).toMatchObject({ phase: openingOrUntold, timeoutMs: short })
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    await proxy.mend()
    const pid = await worker.run(use)
    expect(await own.view.pids()).toEqual([pid])
    expect(proxy.attempts).toBe(1)
  })

  it('fault 13: one deadline covers all the phases: what was waited for a place is not there for the open', async () => {
    const { pool, proxy, worker } = await openHouse(own, transport)
    const held = await pool.connect()
    proxy.leaveHanging()
    const failing = worker.run(failToConnect, 10 * short)
    await eventually(() => pool.status().waiting).toBe(1)
    await delay(7 * short)
    await held.invalidate()
    const { ms, fields } = await failing
    expect(fields).toMatchObject({ phase: openingOrUntold, timeoutMs: 10 * short })
    expect(ms).toBeGreaterThanOrEqual(10 * short - 1)
    // And not 7 + 10.
    expect(ms).toBeLessThan(15 * short)
  })
})

it('fault 3: TLS that stalls after the server has agreed to it ends at the deadline too', async () => {
  const { pool, worker } = await openHouse(own, 'remote', {
    connectTimeoutMs: short,
    config: { ssl: true, port: await agreeToTls() },
  })
  const { ms, ...failure } = await worker.run(failToConnect, long)
  expect(failure).toMatchObject({ class: 'TimeoutError', fields: { phase: 'connect' } })
  expect(onTime(ms)).toMatchObject({ inRange: true })
  await eventually(() => pool.status()).toMatchObject({ checkedout: 0 })
})

/** A server that says 'S' to the wish for TLS, and nothing more. */
async function agreeToTls(): Promise<number> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write('S'))
  })
  onTestFinished(() => void server.close())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}
