import type { Client } from 'pg'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import type { WorkerContext } from '../support/worker-context.ts'

/** What workers do in many of these scenarios; each runs there by its source text, and finds its client under `pool`. */

/** Checks out, asks the server for the number of its process, gives back. */
export const use = async ({ kept }: WorkerContext, times = 1): Promise<number> => {
  let pid = 0
  for (let i = 0; i < times; i++) {
    const conn = await kept<PoolClient<Client>>('pool').connect()
    pid = (await conn.query('select pg_backend_pid() as pid')).rows[0].pid
    await conn.close()
  }
  return pid
}

/** Keeps a connection as `conn`: the number of the server's process. */
export const hold = async ({ kept, keep }: WorkerContext): Promise<number> => {
  const conn = keep('conn', await kept<PoolClient<Client>>('pool').connect())
  return (await conn.query('select pg_backend_pid() as pid')).rows[0].pid
}

/** Has a connection, says so and stands still until the flag says go; then closes it, so many times. True: it was still valid then. */
export const closeLater = async ({ kept, say }: WorkerContext, flag: Int32Array, closes: number): Promise<boolean> => {
  const conn = await kept<PoolClient<Client>>('pool').connect()
  await conn.query('select 1')
  say('out')
  await new Promise(resolve => setImmediate(resolve))
  Atomics.wait(flag, 0, 0)
  for (let i = 0; i < closes; i++) await conn.close()
  return conn.isValid
}

/** The same as `use`, as soon as a connection can be had: where attempts to open have little time, the first may fail on a busy machine. */
export const useAtLast = async ({ kept }: WorkerContext): Promise<number> => {
  for (;;) {
    try {
      const pool = kept<PoolClient<Client>>('pool')
      return (await pool.use(conn => conn.query('select pg_backend_pid() as pid'))).rows[0].pid
    } catch (error) {
      if (!(error as Error).message.startsWith('No connection could be opened within')) throw error
    }
  }
}

/** So many connections at once, each used and then given back: the numbers of the server's processes. */
export const useMany = async ({ kept }: WorkerContext, count: number): Promise<number[]> => {
  const pool = kept<PoolClient<Client>>('pool')
  const fairies = await Promise.all(Array.from({ length: count }, () => pool.connect()))
  const answers = await Promise.all(fairies.map(conn => conn.query('select pg_backend_pid() as pid')))
  for (const conn of fairies) await conn.close()
  return answers.map(({ rows }) => rows[0].pid)
}

/** One after another, `count` checkouts with a query: the message of each that failed. */
export const failuresOf = async ({ kept }: WorkerContext, count: number): Promise<string[]> => {
  const failures: string[] = []
  for (let i = 0; i < count; i++) {
    try {
      await kept<PoolClient<Client>>('pool').use(conn => conn.query('select 1'))
    } catch (error) {
      failures.push((error as Error).message)
    }
  }
  return failures
}

/** A checkout that must fail, and after how many milliseconds it did. */
export const failToConnect = async ({ kept, failureOf }: WorkerContext, timeoutMs: number) => {
  const started = performance.now()
  const failure = await failureOf(() => kept<PoolClient<Client>>('pool').connect({ timeoutMs }))
  return { ...failure, ms: performance.now() - started }
}

/** This thread's clock of days, by which it remembers when it has last looked at a socket, goes on by more than that lasts. */
export const later = (): void => {
  const { now } = Date
  Date.now = () => now() + 51
}
