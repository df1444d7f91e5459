import { workerData } from 'node:worker_threads'
import type { Client } from 'pg'
import type { LeakData } from '../bench/rivals/leaked-fairies.ts'
import { answer } from '../bench/thread.ts'
import { transportOf } from '../bench/transport.ts'
import { attach, TimeoutError } from '../src/worker.ts'

const { address, patienceMs } = workerData as LeakData
const pool = await attach<Client>(address)

/** How long it took to get a connection; `patienceMs` or more when there was none to be had. */
async function claim(): Promise<number> {
  const before = performance.now()
  try {
    const connection = await pool.connect({ timeoutMs: patienceMs })
    const took = performance.now() - before
    await connection.close()
    return took
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error
    return Math.max(patienceMs, performance.now() - before)
  }
}

answer(await pool.use(transportOf), claim)
