import { workerData } from 'node:worker_threads'
import type { Client } from 'pg'
import type { LeakData } from '../bench/rivals/leaked-fairies.ts'
import { answer } from '../bench/thread.ts'
import { attach, TimeoutError } from '../src/worker.ts'

const { address, ballast } = workerData as LeakData
const pool = await attach<Client>(address)
const held = Array.from({ length: ballast.rows }, (_, id) => ({
  id,
  text: `row ${id} `.padEnd(ballast.characters, '.'),
}))

/** Used and forgotten: nothing refers to it when this has returned. */
async function leak(): Promise<void> {
  const connection = await pool.connect({ timeoutMs: 0 })
  await connection.query('select 1')
}

answer('ready', async (count: number) => {
  try {
    for (let i = 0; i < count; i++) await leak()
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error
  }
  return held.length
})
