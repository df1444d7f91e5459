import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import type { OpenContext } from '../../src/dialects/dialect.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { type Death, Doomed, deaths, type State, sleep, smallHeap, states } from '../support/doomed.ts'
import { eventually } from '../support/eventually.ts'
import { LeaseWatch } from '../support/lease-watch.ts'
import { openPool } from '../support/open-pool.ts'
import { ServerView } from '../support/server-view.ts'
import { startWorker } from '../support/start-worker.ts'

let server: PostgresServer
let view: ServerView

beforeAll(async () => {
  server = await startPostgres()
  view = await ServerView.of(server)
  await view.query('create table books (n int)')
})

afterAll(async () => {
  await view.close()
  await server.remove()
})

/** One that has written something by then. */
const doom = (death: Death, state: State): Doomed =>
  new Doomed(startWorker(smallHeap), death, state, 'insert into books values (1)')

const logger = { debug() {}, info() {}, warn() {}, error() {} }

const transports = ['direct', 'remote'] as const
type Transport = (typeof transports)[number]

const pgPool = (transport: Transport = 'direct'): QueuePool<Client> =>
  openPool<Client>({
    dialect: pg(server.connectionString),
    ...(transport === 'remote' ? { transport } : {}),
    poolSize: 1,
    maxOverflow: 0,
    closeTimeoutMs: 200_000,
    logger,
  })

/** The server's number for a fairy's session. */
const pidOf = (fairy: Fairy<Client>): number => Reflect.get(fairy, 'processID') as number

const queries = async (): Promise<string[]> => (await view.sessions()).map(({ query }) => query)

describe.each(deaths)('a worker that %s', death => {
  const exitCode = death === 'exits' ? 7 : 1

  it('while it waits is forgotten: the next in the line is served, by the connection it waited for', async () => {
    const pool = pgPool()
    const watch = new LeaseWatch(pool)
    const held = await pool.connect()
    const doomed = doom(death, 'waiting')
    await eventually(() => pool.status().waiting).toBe(1)
    const next = pool.connect()
    expect(await doomed.die()).toBe(exitCode)
    await eventually(() => pool.status().waiting).toBe(1)
    const pid = pidOf(held)
    await held.close()
    expect(pidOf(await next)).toBe(pid)
    await (await next).close()
    expect(watch.reasons).toEqual(['closed', 'closed'])
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
  })

  const inEachState = transports.flatMap(transport =>
    states.filter(state => state !== 'waiting').map(state => [state, transport] as const),
  )

  it.each(inEachState)(
    '%s (%s) loses its lease: the session ends on the server, the next waiter gets another',
    async (state, transport) => {
      const pool = pgPool(transport)
      // Where the worker runs the driver it waits by itself for the call that is in flight, and is lent to until then.
      const hasLeft = state === 'closing' && transport === 'remote'
      const watch = new LeaseWatch(pool)
      const doomed = doom(death, state)
      await doomed.worker.hear()
      await eventually(() => watch.starts.length).toBe(1)
      if (state === 'in a query' || state === 'closing') await eventually(queries).toEqual([sleep])
      if (hasLeft) await eventually(() => watch.reasons).toEqual(['closed'])
      const [{ pid } = { pid: 0 }] = await view.sessions()
      const next = pool.connect()
      expect(await doomed.die()).toBe(exitCode)
      const survivor = await next
      expect(watch.reasons).toEqual([hasLeft ? 'closed' : 'died'])
      expect(pidOf(survivor)).not.toBe(pid)
      // Cancelled, rolled back, gone.
      await eventually(() => view.pids()).toEqual([pidOf(survivor)])
      expect((await survivor.query('select count(*)::int as n from books')).rows).toEqual([{ n: 0 }])
      await survivor.close()
      expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
    },
  )
})

it('a worker that dies while its connection is being opened leaves it to the next, who finds it unused', async () => {
  const dialect = pg(server.connectionString)
  let openGate = (): void => {}
  const gate = new Promise<void>(resolve => {
    openGate = resolve
  })
  const opened: Client[] = []
  const creator = async (record: unknown, context: OpenContext): Promise<Client> => {
    const client = await dialect.connect!(record, context)
    opened.push(client)
    await gate
    return client
  }
  const pool = openPool<Client>({ dialect, creator, poolSize: 1, maxOverflow: 0 })
  const watch = new LeaseWatch(pool)
  const worker = startWorker()
  worker.runToDeath(async ({ attach }) => (await attach()).connect())
  await eventually(() => opened.length).toBe(1)
  const next = pool.connect()
  await worker.terminate()
  // Its end may be told a little later than its exit.
  await eventually(() => pool.slots.sessions.count).toBe(1)
  openGate()
  expect(pidOf(await next)).toBe(Reflect.get(opened[0]!, 'processID'))
  await (await next).close()
  expect(opened).toHaveLength(1)
  expect(watch.starts).toHaveLength(1)
  expect(watch.reasons).toEqual(['closed'])
})

it('a worker that dies after its close was read, while its connection is being reset, has closed it: it is reset and lent again', async () => {
  const pool = pgPool()
  const watch = new LeaseWatch(pool)
  let openGate = (): void => {}
  const gate = new Promise<void>(resolve => {
    openGate = resolve
  })
  let resets = 0
  pool.on('reset', () => {
    resets++
    return gate
  })
  const worker = startWorker()
  worker.runToDeath(async ({ attach }) => {
    const conn = await (await attach<Client>()).connect()
    await conn.query('begin')
    await conn.query('insert into books values (1)')
    await conn.close()
  })
  await eventually(() => resets).toBe(1)
  const pids = await view.pids()
  await worker.terminate()
  const next = pool.connect()
  openGate()
  expect([pidOf(await next)]).toEqual(pids)
  expect((await (await next).query('select count(*)::int as n from books')).rows).toEqual([{ n: 0 }])
  await (await next).close()
  expect(watch.reasons).toEqual(['closed', 'closed'])
})

it('a worker that dies with several leases, a detached one and an open cursor gives up all of them', async () => {
  const pool = openPool<Client>({ dialect: pg(server.connectionString), poolSize: 3, maxOverflow: 0 })
  const watch = new LeaseWatch(pool)
  const worker = startWorker()
  worker.runToDeath(async ({ attach, say }) => {
    const pool = await attach<Client>()
    const [one, two, three] = [await pool.connect(), await pool.connect(), await pool.connect()]
    await one.detach()
    await two.cursor('select n from generate_series(1, 1000) n', [], { batchSize: 1 }).next()
    three.query('select pg_sleep(300)').catch(() => {})
    await pool.connect()
    pool.connect().catch(() => {})
    say('all out')
    await new Promise(() => {})
  })
  await worker.hear()
  await eventually(queries).toContain(sleep)
  const waiting = [pool.connect(), pool.connect(), pool.connect()]
  const old = await view.pids()
  expect(old).toHaveLength(4)
  await worker.terminate()
  const fairies = await Promise.all(waiting)
  for (const fairy of fairies) expect(old).not.toContain(pidOf(fairy))
  await eventually(() => view.pids()).toEqual(fairies.map(pidOf).sort((a, b) => a - b))
  for (const fairy of fairies) await fairy.close()
  expect(watch.reasons.slice(0, 5).sort()).toEqual(['detached', 'died', 'died', 'died', 'died'])
  expect(pool.status()).toMatchObject({ checkedin: 3, checkedout: 0, waiting: 0 })
})
