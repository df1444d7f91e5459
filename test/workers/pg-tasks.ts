import type { Client } from 'pg'
import { attach } from '../../src/worker.ts'

const pool = await attach<Client>()

/** Opens a transaction, and forgets it with its connection. Returns the server's process. */
export async function forgetful(): Promise<number> {
  const conn = await pool.connect()
  await conn.query('begin')
  await conn.query('insert into books values (1)')
  return (await conn.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid
}

/** Ends with a query in flight that nobody awaits. */
export async function hasty(): Promise<boolean> {
  const conn = await pool.connect()
  conn.query('insert into books select 1 from pg_sleep(0.02)').catch(() => {})
  return conn.connection !== undefined
}

/** Uses a connection as it should be used. */
export async function tidy(): Promise<number> {
  const ask = 'select pg_backend_pid() as pid'
  return (await pool.use(conn => conn.query<{ pid: number }>(ask))).rows[0]!.pid
}

export default tidy
