import { isMainThread, Worker } from 'node:worker_threads'
import type { Client } from 'pg'
import { createPool } from '../../src/index.ts'
import { pg } from '../../src/pg.ts'
import { attach } from '../../src/worker.ts'

/*
 * A process whose worker has used a connection directly and does not close it, and whose pool is never disposed: both the
 * worker and the process must end by themselves. The argument says in which state the worker leaves its connection.
 */
const state = process.argv[2]!

if (isMainThread) {
  const pool = createPool<Client>({ dialect: pg(process.env.DATABASE_URL), poolSize: 2, maxOverflow: 0 })
  pool.share()
  const worker = new Worker(new URL(import.meta.url), { argv: [state] })
  worker.once('exit', code => process.stdout.write(`worker: ${code}\n`))
  worker.once('message', word => process.stdout.write(`${word}\n`))
} else {
  const { parentPort } = await import('node:worker_threads')
  const pool = await attach<Client>()
  const conn = await pool.connect()
  Object.assign(globalThis, { conn })
  if (state !== 'unused') await conn.query('select 1')
  if (state === 'in a transaction') await conn.query('begin')
  if (state === 'closed') await conn.close()
  if (state === 'detached') await conn.detach()
  // A query in flight is awaited, with nobody's help.
  if (state === 'in a query') conn.query('select pg_sleep(0.1)').then(() => parentPort!.postMessage('answered'))
}
