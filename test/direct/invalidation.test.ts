import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, pidOf, type Road, roads } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()

/** The key of an advisory lock; while the observer holds it, whoever asks for it waits. */
const key = 7

interface Busy {
  readonly pool: QueuePool<Client>
  readonly record: ConnectionRecord<Client>
  readonly worker: TestWorker
  readonly pid: number
  /** How the worker's query ends; before that, `letGo()` or an end from outside. */
  readonly asked: Promise<string>
  letGo(): Promise<void>
}

/** A worker that holds a connection and runs a query on it that ends only when it is let go. */
async function busy(road: Road): Promise<Busy> {
  const pool = own.pool(road)
  const records: ConnectionRecord<Client>[] = []
  pool.on('connect', (_, record) => void records.push(record))
  const worker = startWorker()
  await own.view.query('select pg_advisory_lock($1)', [key])
  const pid = await worker.run(async ({ attach, keep }) => {
    const conn = keep('conn', await (await attach<Client>()).connect())
    return (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number
  })
  const asked = worker.run(
    ({ kept }, key) =>
      kept<Fairy<Client>>('conn')
        .query('select pg_advisory_xact_lock($1)', [key])
        .then(
          () => 'answered',
          (error: Error) => error.message,
        ),
    key,
  )
  await eventually(async () => (await own.view.sessions()).map(({ state }) => state)).toEqual(['active'])
  const letGo = async (): Promise<void> => void (await own.view.query('select pg_advisory_unlock($1)', [key]))
  return { pool, record: records[0]!, worker, pid, asked, letGo }
}

const isValid = (worker: TestWorker): Promise<boolean> => worker.run(({ kept }) => kept<Fairy>('conn').isValid)
const close = (worker: TestWorker): Promise<void> => worker.run(({ kept }) => kept<Fairy>('conn').close())

describe.each(roads)('while a worker runs a query, over %s,', road => {
  it('a hard invalidation by the coordinator ends it with an error; the session is gone', async () => {
    const { pool, record, worker, pid, asked, letGo } = await busy(road)
    await record.invalidate(new Error('suspicious'))
    // Over TCP the server may answer what has crossed with a reset.
    expect(await asked).toMatch(/Connection terminated|ECONNRESET/)
    expect(await isValid(worker)).toBe(false)
    await letGo()
    await eventually(() => own.view.pids()).not.toContain(pid)
    await close(worker)
    expect(await pidOf(pool)).not.toBe(pid)
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('a soft one lets it finish, and whatever comes after; at its next checkout the connection is replaced', async () => {
    const { pool, record, worker, pid, asked, letGo } = await busy(road)
    await record.invalidate(new Error('suspicious'), { soft: true })
    await letGo()
    expect(await asked).toBe('answered')
    expect(await isValid(worker)).toBe(true)
    await worker.run(async ({ kept }) => void (await kept<Fairy<Client>>('conn').query('select 1')))
    await close(worker)
    expect(await own.view.pids()).toEqual([pid])
    expect(await pidOf(pool)).not.toBe(pid)
  })

  it('one of the whole pool lets it finish too, and its connection is replaced at its next checkout', async () => {
    const { pool, worker, pid, asked, letGo } = await busy(road)
    await pool.invalidate()
    await letGo()
    expect(await asked).toBe('answered')
    await close(worker)
    expect(await pidOf(pool)).not.toBe(pid)
  })

  it('a dispose lets it finish; what comes home after that is closed', async () => {
    const { pool, worker, pid, asked, letGo } = await busy(road)
    await pool.dispose()
    await letGo()
    expect(await asked).toBe('answered')
    expect(await own.view.pids()).toEqual([pid])
    await close(worker)
    await eventually(() => own.view.pids()).toEqual([])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 0, checkedout: 0 })
  })

  it('an end of the sharing takes the connection away: the query fails, the thread is told, the session ends', async () => {
    const { pool, worker, pid, asked, letGo } = await busy(road)
    pool.unshare()
    expect(await asked).toMatch(/^Connection terminated/)
    expect(await isValid(worker)).toBe(false)
    await letGo()
    await eventually(() => own.view.pids()).not.toContain(pid)
    await eventually(() => pool.status().checkedout).toBe(0)
    expect(await pidOf(pool)).not.toBe(pid)
  })

  it('its own invalidation ends it as well, and everybody else gets another connection', async () => {
    const { pool, worker, pid, asked, letGo } = await busy(road)
    await worker.run(({ kept }) => kept<Fairy<Client>>('conn').invalidate(new Error('mine')))
    // Over TCP the server may answer what has crossed with a reset.
    expect(await asked).toMatch(/Connection terminated|ECONNRESET/)
    await letGo()
    expect(await pidOf(pool)).not.toBe(pid)
  })
})

it('what a thread reads is never read by another as well: an end of the sharing makes no hole in an answer', async () => {
  const pool = own.pool('TCP', { poolSize: 4 })
  const worker = startWorker()
  const started = worker.hear()
  const asked = worker.run(async ({ attach, say }) => {
    const pool = await attach<Client>()
    const conns = await Promise.all([1, 2, 3, 4].map(() => pool.connect()))
    const outcomes = conns.map(async conn => {
      const text = "select n, repeat('x', 500) as filling from generate_series(1, 40000) n"
      try {
        const result = await conn.query<{ n: number; filling: string }>(text)
        const isWhole =
          result.rows.length === 40_000 &&
          result.rows.every(({ n, filling }, i) => n === i + 1 && filling.length === 500)
        return isWhole ? 'whole' : `a hole among ${result.rows.length} rows`
      } catch (error) {
        return (error as Error).message
      }
    })
    // As soon as the first bytes are here.
    type Stream = { connection: { stream: NodeJS.EventEmitter } }
    const { stream } = (conns[0]!.connection as unknown as Stream).connection
    stream.once('data', () => say('started'))
    return Promise.all(outcomes)
  })
  await started
  pool.unshare()
  for (const outcome of await asked) expect(outcome).toMatch(/^whole$|^Connection terminated/)
  await eventually(() => pool.status().checkedout).toBe(0)
})
