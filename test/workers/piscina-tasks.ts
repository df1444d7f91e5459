import { type MessagePort, threadId } from 'node:worker_threads'
import { attach } from '../../src/worker.ts'

interface Fake {
  ask(): Promise<string>
}

const pool = await attach<Fake>()

/** Uses a connection as it should be used. */
export async function tidy(): Promise<string> {
  return pool.use(connection => connection.ask())
}

/** Forgets to close, and says which thread it ran in. */
export async function forgetful(): Promise<number> {
  const connection = await pool.connect()
  await connection.ask()
  return threadId
}

/** Throws with a connection open. */
export async function failing(): Promise<never> {
  await pool.connect()
  throw new RangeError('the task has failed')
}

/** Tasks that overlap: the first forgets, the second holds its own until it is told that the first has come home. */
export async function overlapping({ forget, port }: { forget: boolean; port?: MessagePort }): Promise<string> {
  const connection = await pool.connect()
  if (forget) return 'forgot'
  port?.postMessage('connected')
  await new Promise(resolve => port?.once('message', resolve))
  const answer = await connection.ask()
  await connection.close()
  return answer
}

export default tidy
