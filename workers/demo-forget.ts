import { threadId } from 'node:worker_threads'
import type { Client } from 'pg'
import { monotonicMs } from '../src/base/clock.ts'
import { collectGarbage } from '../src/base/garbage.ts'
import type { ForgetTask, Forgotten } from '../src/cli/forgetful.ts'
import { attach, type Fairy, type PoolClient } from '../src/worker.ts'

const warnings: string[] = []
process.on('warning', ({ name, message }) => warnings.push(`${name}: ${message}`))

/** Ends without closing its connection, in the middle of a transaction. */
export async function end(task: ForgetTask): Promise<Forgotten> {
  const connection = await spoil(await attach<Client>(), task)
  // Looked at once more, so that no collection can come before the task's end.
  return { threadId, at: connection.isValid ? monotonicMs() : Number.NaN, warnings }
}

/** Loses its connection, in the middle of a transaction, and goes on until the pool has everything back. */
export async function drop(task: ForgetTask): Promise<Forgotten> {
  const pool = await attach<Client>()
  await spoil(pool, task)
  const at = monotonicMs()
  while ((await pool.status()).checkedout > 0 && monotonicMs() < at + 5000) await collectGarbage()
  return { threadId, at, warnings }
}

async function spoil(pool: PoolClient<Client>, { schema, aid }: ForgetTask): Promise<Fairy<Client>> {
  const connection = await pool.connect()
  await connection.query('begin')
  await connection.query(`update ${schema}.accounts set abalance = abalance + 1 where aid = $1`, [aid])
  return connection
}
