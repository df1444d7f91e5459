import type { Socket } from 'node:net'
import type { Client, QueryResult } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import type * as Door from '../../src/index.ts'
import type * as PgDoor from '../../src/pg.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad, pidOf, type Road, roads } from '../support/own-server.ts'
import { withoutDriver } from '../support/poor-threads.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()

type Rows = QueryResult<Record<string, unknown>>

/** An advisory lock; while the observer holds it, whoever asks for it waits. */
const key = 8
const slow = `select pg_advisory_lock_shared(${key}), pg_advisory_unlock_shared(${key})`
/** Until it is let go, or the test is over, however that may go. */
const lock = async (): Promise<void> => {
  await own.view.query('select pg_advisory_lock($1)', [key])
  onTestFinished(async () => void (await own.view.query('select pg_advisory_unlock_all()')))
}
const letGo = async (): Promise<void> => void (await own.view.query('select pg_advisory_unlock($1)', [key]))

interface Busy {
  readonly pool: QueuePool<Client>
  readonly record: ConnectionRecord<Client>
  readonly worker: TestWorker
  readonly pid: number
  /** How the statement ends that runs, and how that which waits for its connection. */
  readonly ends: Promise<string[]>
}

/** A worker with one statement that runs until it is let go, and one that waits behind it. */
async function busy(road: Road): Promise<Busy> {
  const pool = own.pool(road)
  const records: ConnectionRecord<Client>[] = []
  pool.on('connect', (_, record) => void records.push(record))
  const pid = await pidOf(pool)
  const worker = startWorker()
  await lock()
  const ends = worker.run(async ({ attach, keep }, slow) => {
    const pool = keep('pool', await attach<Client>())
    const ends = [slow, 'select pg_backend_pid() as pid'].map(text =>
      pool.query<Rows>(text).then(
        ({ rows }) => `answered ${rows[0]!.pid ?? ''}`,
        (error: Error) => error.message,
      ),
    )
    return Promise.all(ends)
  }, slow)
  await eventually(async () => (await own.view.sessions()).map(({ state }) => state)).toEqual(['active'])
  await eventually(() => pool.status().waiting).toBe(1)
  return { pool, record: records[0]!, worker, pid, ends }
}

it.each(roads)('what a worker has never sent goes over another connection, over %s', async road => {
  const pool = own.pool(road)
  const answers = await startWorker().run(async ({ attach }) => {
    const pool = await attach<Client>()
    await pool.query('select 0')
    const conn = await pool.connect()
    const { stream } = (conn.connection as unknown as { connection: { stream: Socket } }).connection
    await conn.close()
    const answers = [1, 2, 3].map(n => pool.query<Rows>('select $1::int as n', [n]).then(({ rows }) => rows[0]!.n))
    // They are written at the end of this turn, and find no connection then.
    stream.destroy(new Error('gone'))
    return Promise.all(answers)
  })
  expect(answers).toEqual([1, 2, 3])
  await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
})

describe.each(roads)('while a statement of a worker runs and another waits, over %s,', road => {
  it('the end of its session fails the one, and the other goes over a new connection', async () => {
    const { pool, pid, ends } = await busy(road)
    await own.view.terminate(pid)
    await letGo()
    const [first, second] = await ends
    expect(first).toMatch(/terminat|ECONNRESET/)
    expect(second).toMatch(/^answered \d+$/)
    expect(second).not.toBe(`answered ${pid}`)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })

  it('a hard invalidation does so too', async () => {
    const { pool, record, pid, ends } = await busy(road)
    await record.invalidate(new Error('suspicious'))
    const [first, second] = await ends
    expect(first).toMatch(/Connection terminated|ECONNRESET/)
    expect(second).toMatch(/^answered \d+$/)
    expect(second).not.toBe(`answered ${pid}`)
    await letGo()
    await eventually(() => own.view.pids()).not.toContain(pid)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })

  it.each<[string, (busy: Busy) => Promise<void>]>([
    [
      'a soft invalidation',
      ({ record }) => record.invalidate(new Error('suspicious'), { soft: true }) as Promise<void>,
    ],
    ['one of the whole pool', ({ pool }) => pool.invalidate()],
    ['a dispose', ({ pool }) => pool.dispose()],
  ])('%s lets the one finish, and gives the other another connection', async (_, act) => {
    const all = await busy(road)
    await act(all)
    await letGo()
    const [first, second] = await all.ends
    expect(first).toBe('answered ')
    expect(second).toMatch(/^answered \d+$/)
    expect(second).not.toBe(`answered ${all.pid}`)
    await eventually(() => all.pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })

  it('an end of the sharing fails both, and the pool goes on', async () => {
    const { pool, ends, worker, pid } = await busy(road)
    pool.unshare()
    for (const end of await ends) expect(end).toMatch(/has stopped sharing it/)
    await letGo()
    await eventually(() => own.view.pids()).not.toContain(pid)
    expect(await pidOf(pool)).not.toBe(pid)
    const failure = await worker.run(({ kept, failureOf }) =>
      failureOf(() => kept<PoolClient<Client>>('pool').query('select 1')),
    )
    expect(failure).toMatchObject({ class: 'CoordinatorLostError' })
  })

  it('the death of its thread stops it at the server, and nobody gets that connection', async () => {
    const { pool, worker, pid, ends } = await busy(road)
    ends.catch(() => {})
    await worker.terminate()
    await eventually(() => own.view.pids()).not.toContain(pid)
    await letGo()
    expect(await pidOf(pool)).not.toBe(pid)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })
})

describe.each(oneRoad)('a caller who leaves, over %s,', road => {
  const running = 'select pg_sleep(600)'

  it('has its statement stopped at the server if it is alone there, and the connection goes on', async () => {
    const pool = own.pool(road)
    const pid = await pidOf(pool)
    const failures = await startWorker().run(async ({ attach, failureOf }, running) => {
      const pool = await attach<Client>()
      const soon = new AbortController()
      const failures = [
        await failureOf(() => pool.query(running, [], { timeoutMs: 50 })),
        await failureOf(() => {
          const asked = pool.query(running, [], { signal: soon.signal })
          // Not even written yet.
          soon.abort()
          return asked
        }),
      ]
      await pool.query('select 1')
      return failures
    }, running)
    expect(failures).toMatchObject([{ class: 'TimeoutError', fields: { phase: 'query' } }, { name: 'AbortError' }])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    expect(await pidOf(pool)).toBe(pid)
  })

  it('leaves a statement to run to its end that has others behind it', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const pool = keep('pool', await attach<Client>())
      for (let n = 0; n < 400; n++) await pool.query('select 1')
    })
    const answers = await worker.run(async ({ kept, failureOf }) => {
      const pool = kept<PoolClient<Client>>('pool')
      const late = failureOf(() => pool.query('select pg_sleep(0.2)', [], { timeoutMs: 50 }))
      const others = await Promise.all([1, 2, 3].map(n => pool.query<Rows>('select $1::int as n', [n])))
      return { late: (await late).class, others: others.map(({ rows }) => rows[0]!.n) }
    })
    expect(answers).toEqual({ late: 'TimeoutError', others: [1, 2, 3] })
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })
})

describe.each(oneRoad)('a thread with statements under way, over %s,', road => {
  it('lives until they are answered, also one that is sent again, and no longer', async () => {
    own.pool(road)
    const worker = startWorker()
    const heard = worker.hear()
    await worker.run(async ({ attach, say }) => {
      const pool = await attach<Client>()
      await pool.query('select 1')
      const text = 'select 5 as n, pg_sleep(0.2)'
      // With too many values the statement is sent twice, as it is refused under a name that is not its caller's.
      const refused = [1, 2].map(() => pool.query(text, [1]).catch(() => pool.query(text)))
      void Promise.all(refused).then(() => say('answered'))
    })
    worker.release()
    expect(await heard).toBe('answered')
    expect(await worker.exited).toBe(0)
  })

  it('is told when the thread of the coordinator dies, for those that run and those that wait', async () => {
    const coordinator = startWorker()
    const address = await coordinator.run(async ({ load, keep }, config) => {
      const { createPool } = (await load('../../src/index.js')) as typeof Door
      const { pg } = (await load('../../src/pg.js')) as typeof PgDoor
      return keep('pool', createPool({ dialect: pg(config), poolSize: 1, maxOverflow: 0 })).share()
    }, own.config(road))
    await lock()
    const worker = startWorker()
    const failures = worker.run(
      async ({ attach, failureOf }, address, slow) => {
        const pool = await attach<Client>(address)
        return Promise.all([slow, 'select 1'].map(text => failureOf(() => pool.query(text))))
      },
      address,
      slow,
    )
    await eventually(async () => (await own.view.sessions()).map(({ state }) => state)).toEqual(['active'])
    await coordinator.terminate()
    expect(await failures).toMatchObject([{ class: 'CoordinatorLostError' }, { class: 'CoordinatorLostError' }])
    worker.release()
    expect(await worker.exited).toBe(0)
    await letGo()
    await eventually(() => own.view.pids()).toEqual([])
  })
})

it.each(roads)(
  'threads of both transports and the coordinator ask at once, over %s: each gets its own answers',
  async road => {
    const pool = own.pool(road, { poolSize: 2 })
    const workers = [0, 1, 2, 3].map(() => startWorker())
    await withoutDriver(workers[3]!)
    const theirs = workers.map((worker, me) =>
      worker.run(async ({ attach }, me) => {
        const pool = await attach<Client>()
        let wrong = 0
        const task = async (task: number): Promise<void> => {
          for (let round = 0; round < 60; round++) {
            const tag = `${me} ${task} ${round}`
            const ask = (text: string, values: unknown[]): Promise<Rows> =>
              round % 5 === 4 ? pool.use(conn => conn.query(text, values)) : pool.query<Rows>(text, values)
            const text = 'select $1::text as tag, 1 / $3::int as one from generate_series(1, $2::int)'
            const fails = round % 7 === 6
            const rows = await ask(text, [tag, round % 2 === 0 ? 1 : 500, fails ? 0 : 1]).then(
              ({ rows }) => rows,
              () => undefined,
            )
            if (fails ? rows !== undefined : !rows?.length || rows.some(row => row.tag !== tag)) wrong++
          }
        }
        await Promise.all(Array.from({ length: 12 }, (_, number) => task(number)))
        return wrong
      }, me),
    )
    const mine = async (task: number): Promise<void> => {
      for (let round = 0; round < 60; round++) {
        const { rows } = await pool.query<Rows>('select $1::text as tag', [`${task} ${round}`])
        expect(rows).toEqual([{ tag: `${task} ${round}` }])
      }
    }
    await Promise.all([1, 2, 3, 4].map(mine))
    expect(await Promise.all(theirs)).toEqual([0, 0, 0, 0])
    await eventually(() => own.view.pids()).toHaveLength(2)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 2, checkedout: 0, waiting: 0 })
  },
)
