import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad, pidOf } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()

/** How long the pools of these tests wait for what does not end by itself. */
const short = 50

/** The server's process says nothing more, to nobody, until it is woken. */
function freeze(pid: number): { wake(): void } {
  const wake = (): void => {
    try {
      process.kill(pid, 'SIGCONT')
    } catch {
      // It was woken before, and has ended.
    }
  }
  process.kill(pid, 'SIGSTOP')
  onTestFinished(wake)
  return { wake }
}

const use = (worker: TestWorker): Promise<number> =>
  worker.run(async ({ attach, keep }) => {
    const pool = keep('pool', await attach<Client>())
    return (await pool.use(conn => conn.query('select pg_backend_pid() as pid'))).rows[0].pid as number
  })

describe.each(oneRoad)('a session that says nothing any more, over %s,', road => {
  it('keeps nobody longer at the checkout than he wants to wait, and is lent again when it answers', async () => {
    // Asked at every checkout.
    const pool = own.pool(road, { prePing: true, pingIntervalMs: 0, closeTimeoutMs: short })
    const worker = startWorker()
    const pid = await use(worker)
    const frozen = freeze(pid)
    const failure = await worker.run(({ kept, failureOf }) =>
      failureOf(() => kept<PoolClient<Client>>('pool').connect({ timeoutMs: 100 })),
    )
    expect(failure).toMatchObject({ class: 'TimeoutError' })
    frozen.wake()
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    expect(await use(worker)).toBe(pid)
  })

  it('keeps no close longer than closeTimeoutMs allows; its query fails, the next one gets another', async () => {
    const pool = own.pool(road, { closeTimeoutMs: short })
    const worker = startWorker()
    const pid = await use(worker)
    freeze(pid)
    const failure = await worker.run(async ({ kept, failureOf }) => {
      const conn = await kept<PoolClient<Client>>('pool').connect()
      const failure = failureOf(() => conn.query('select 1'))
      await conn.close()
      return failure
    })
    expect(failure.message).toMatch(/terminated/)
    expect(await use(worker)).not.toBe(pid)
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('whose thread dies over it holds nobody up', async () => {
    const pool = own.pool(road, { closeTimeoutMs: short })
    const worker = startWorker()
    const pid = await use(worker)
    freeze(pid)
    const asked = worker.hear()
    worker.runToDeath(async ({ kept, say }) => {
      const conn = await kept<PoolClient<Client>>('pool').connect()
      const answer = conn.query('select 1')
      say('asked')
      await answer
    })
    await asked
    const next = pidOf(pool)
    await worker.terminate()
    expect(await next).not.toBe(pid)
  })

  it('that was detached is closed all the same', async () => {
    const pool = own.pool(road, { closeTimeoutMs: short })
    const worker = startWorker()
    const pid = await worker.run(async ({ attach, keep }) => {
      const conn = keep('conn', await (await attach<Client>()).connect())
      await conn.detach()
      return (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
    })
    const frozen = freeze(pid)
    const failure = await worker.run(async ({ kept, failureOf }) => {
      const conn = kept<Client & { close(): Promise<void> }>('conn')
      const failure = failureOf(() => conn.query('select 1'))
      await conn.close()
      return failure
    })
    expect(failure.message).toMatch(/terminated/)
    frozen.wake()
    const next = await pidOf(pool)
    await eventually(() => own.view.pids()).toEqual([next])
  })
})
