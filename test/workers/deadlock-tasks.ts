import type { Client } from 'pg'
import { attach, DeadlockError } from '../../src/worker.ts'

const pool = await attach<Client>()

/** Says how a task that wants a second connection fares: `both`, or the code of its failure and how many held what then. */
export async function nested(): Promise<string> {
  const first = await pool.connect()
  try {
    await first.query('select 1')
    const second = await pool.connect()
    await second.query('select 1')
    await second.close()
    return 'both'
  } catch (error) {
    if (error instanceof DeadlockError) return `${error.code} ${error.holders.length}`
    throw error
  } finally {
    await first.close()
  }
}

export default nested
