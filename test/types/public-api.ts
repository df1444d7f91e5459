/* Compiles or does not: the public types as users meet them. `tsc` is the test. */
import type { Client, QueryResult } from 'pg'
import { createPool, type Dialect, type Fairy, type PoolStatus } from '../../src/index.ts'
import { pg } from '../../src/pg.ts'
import { createWorkers } from '../../src/piscina.ts'
import { attach, type PoolClient } from '../../src/worker.ts'

/** The same function takes a connection of either side. */
export async function transfer(connection: Fairy<Client>): Promise<number | null> {
  const result: QueryResult<{ id: number }> = await connection.query<{ id: number }>('select 1 as id')
  for await (const row of connection.cursor<{ id: number }>('select 1 as id', [], { batchSize: 10 })) row.id.toFixed()
  await connection.invalidate(new Error('broken'), { soft: true })
  // @ts-expect-error: neither the driver nor the fairy has such a member
  connection.nonsense
  return result.rowCount
}

export async function onTheCoordinator(): Promise<string> {
  const pool = createPool({
    dialect: pg({ host: 'localhost' }),
    poolSize: 4,
    events: [[(connection: Client) => connection.query(''), 'connect']],
  })
  pool.on('checkout', (connection: Client, record) => void [connection.database, record.info.get('key')])
  // @ts-expect-error: a pool has no such event
  pool.on('arrival', () => {})
  // @ts-expect-error: durations are numbers of milliseconds
  createPool({ dialect: pg(), timeoutMs: '30s' })
  // @ts-expect-error: an unknown option
  createPool({ dialect: pg(), max: 10 })
  const rows: number | null = await pool.use(transfer)
  const one = await pool.query<QueryResult<{ id: number }>>('select $1::int as id', [1], { timeoutMs: 100 })
  one.rows[0]?.id.toFixed()
  // @ts-expect-error: a statement is a text
  pool.query({ text: 'select 1' })
  const status: PoolStatus = pool.status()
  await createWorkers(pool, { filename: 'task.mjs', maxThreads: 2 }).run({ any: 'task' })
  return `${rows} ${status.checkedout} ${status}`
}

export async function inAWorker(): Promise<number | null> {
  const pool: PoolClient<Client> = await attach<Client>()
  const { rowCount } = await pool.query<QueryResult>('select 1', [], { signal: AbortSignal.timeout(50) })
  return rowCount ?? pool.use(transfer, { timeoutMs: 100, signal: AbortSignal.timeout(50) })
}

interface Toy {
  play(): Promise<string>
}

export const toyDialect: Dialect<Toy> = {
  name: 'toy',
  connect: () => ({ play: async () => 'played' }),
  rollback: () => undefined,
  commit: () => undefined,
  close: async () => {},
  // A dialect says what workers may call; anything but a list of names is an error.
  methods: ['play'],
}
