import type { Client } from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { type Census, census, growth } from '../support/census.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import { TestWorker } from '../support/test-worker.ts'
import type { WorkerContext } from '../support/worker-context.ts'
import { openHouse, transports } from './house.ts'
import { use } from './scripts.ts'

const own = OwnServer.forThisFile()
beforeAll(() => own.view.query('create table notes (n int constraint once unique, t text not null)'))

/** What another thread had to wait for a connection and a query, at the most, while one read; and how long that one read. */
interface Waiting {
  readonly longestMs: number
  readonly allMs: number
}

async function waitingBeside(other: TestWorker, reader: TestWorker, reading: Promise<number>): Promise<Waiting> {
  await reader.hear()
  let isOver = false
  const started = performance.now()
  const over = reading.finally(() => {
    isOver = true
  })
  let rounds = 0
  let longestMs = 0
  for (; !isOver; rounds++) {
    const began = performance.now()
    await other.run(use)
    longestMs = Math.max(longestMs, performance.now() - began)
  }
  expect(await over).toBe(200_000)
  expect(rounds).toBeGreaterThan(1)
  return { longestMs, allMs: performance.now() - started }
}

const readInBatches = async ({ kept, say }: WorkerContext): Promise<number> => {
  const conn = await kept<PoolClient<Client>>('pool').connect()
  say('begins')
  let rows = 0
  const cursor = conn.cursor("select n, repeat('x', 200) as t from generate_series(1, 200000) n", [], {
    batchSize: 500,
  })
  for await (const _row of cursor) rows++
  await conn.close()
  return rows
}

const readInOnePiece = async ({ kept, say }: WorkerContext): Promise<number> => {
  say('begins')
  const { rows } = await kept<PoolClient<Client>>('pool').use(conn =>
    conn.query("select n, repeat('x', 200) as t from generate_series(1, 200000) n"),
  )
  return rows.length
}

describe.each(transports)('%s:', transport => {
  it('fault 33: a huge result of one thread does not keep the others waiting for as long as it takes', async () => {
    const { worker, another } = await openHouse(own, transport, { poolSize: 2, config: { port: own.server.port } })
    const other = await another()
    await other.run(use)
    const inBatches = (): Promise<Waiting> => waitingBeside(other, worker, worker.run(readInBatches))
    const inOnePiece = (): Promise<Waiting> => waitingBeside(other, worker, worker.run(readInOnePiece))
    // A busy machine makes the other wait as well, now and then: what it does not have to wait for shows in the best of some attempts.
    let longestMs = Number.POSITIVE_INFINITY
    let shareOfAll = Number.POSITIVE_INFINITY
    let pieceMs = Number.POSITIVE_INFINITY
    const isShort = (): boolean => shareOfAll < 1 / 3 && (transport === 'direct' || longestMs < pieceMs / 2)
    for (let attempt = 0; attempt < 8 && !isShort(); attempt++) {
      const batches = await inBatches()
      longestMs = Math.min(longestMs, batches.longestMs)
      shareOfAll = Math.min(shareOfAll, batches.longestMs / batches.allMs)
      // Where the coordinator has no part in it, the others have nothing to wait for but the processor.
      if (transport === 'remote') pieceMs = Math.min(pieceMs, (await inOnePiece()).longestMs)
    }
    expect(shareOfAll).toBeLessThan(1 / 3)
    if (transport === 'remote') expect(longestMs).toBeLessThan(pieceMs / 2)
  })

  it('fault 34: errors arrive as what they were: class, code, fields, cause, and the reason of an abort', async () => {
    const { pool, worker } = await openHouse(own, transport)
    const seen = await worker.run(async ({ kept, require }) => {
      const pg = require('pg') as typeof import('pg')
      const pool = kept<PoolClient<Client>>('pool')
      const conn = await pool.connect()
      await conn.query("insert into notes values (1, 'x') on conflict do nothing")
      const thrown = (work: Promise<unknown>): Promise<Error> =>
        work.then(
          () => new Error('none'),
          (error: Error) => error,
        )
      const twice = await thrown(conn.query("insert into notes values (1, 'y')"))
      const reason = { a: 'reason of my own' }
      const controller = new AbortController()
      const aborted = thrown(pool.connect({ signal: controller.signal }))
      controller.abort(reason)
      const plain = new AbortController()
      const byDefault = thrown(pool.connect({ signal: plain.signal }))
      plain.abort()
      const late = await thrown(pool.connect({ timeoutMs: 20 }))
      await conn.close()
      const { name, code } = (await byDefault) as Error & { code: unknown }
      return {
        isPgs: twice instanceof pg.DatabaseError,
        twice: { ...twice, code: (twice as { code?: unknown }).code },
        isReason: (await aborted) === (reason as unknown),
        byDefault: { name, code },
        late: { ...late, name: late.name, code: (late as { code?: unknown }).code },
      }
    })
    expect(seen).toMatchObject({
      isPgs: true,
      twice: { code: '23505', constraint: 'once', table: 'notes', severity: 'ERROR' },
      isReason: true,
      byDefault: { name: 'AbortError', code: 20 },
      late: { name: 'TimeoutError', code: 'FAIRYPOOL_TIMEOUT', phase: 'wait', timeoutMs: 20, leased: 1 },
    })
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0 })
  })

  it('fault 35: threads that come, use, fail and die leave nothing behind in this process', async () => {
    const { pool } = await openHouse(own, transport, { poolSize: 2, config: { port: own.server.port } })
    const address = pool.share()
    const visit = async (round: number): Promise<void> => {
      // Nothing of it is kept, by the test neither.
      const worker = new TestWorker()
      await worker.run(async ({ attach, keep }, address) => void keep('pool', await attach(address)), address)
      await worker.run(use, 2)
      worker.runToDeath(async ({ kept, say }) => {
        const conn = await kept<PoolClient<Client>>('pool').connect()
        await conn.query('begin')
        conn.query('select pg_sleep(300)').catch(() => {})
        kept<PoolClient>('pool')
          .connect()
          .catch(() => {})
        say('now')
        await new Promise(() => {})
      })
      await worker.hear()
      if (round % 2 === 0) await pool.invalidate()
      await worker.terminate()
    }
    const quiet = async (): Promise<Census> => {
      await eventually(() => pool.slots.sessions.count).toBe(2)
      await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
      await pool.dispose()
      await eventually(() => own.view.pids()).toEqual([])
      return census()
    }
    for (let round = 0; round < 3; round++) await visit(round)
    const before = await quiet()
    for (let round = 0; round < 6; round++) await visit(round)
    await eventually(async () => growth(await quiet(), before)).toEqual([])
  })
})
