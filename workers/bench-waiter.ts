import { parentPort, workerData } from 'node:worker_threads'
import type { Client } from 'pg'
import type { KilledWorkerData } from '../bench/rivals/killed-worker.ts'
import { transportOf } from '../bench/transport.ts'
import { monotonicMs } from '../src/base/clock.ts'
import { attach } from '../src/worker.ts'

const port = parentPort!
const pool = await attach<Client>((workerData as KilledWorkerData).address)

/** Told to wait, says that it does, and then when it was served; by then the connection is back. */
port.on('message', async () => {
  const connecting = pool.connect()
  port.postMessage('waiting')
  const connection = await connecting
  const servedAt = monotonicMs()
  await connection.close()
  port.postMessage(servedAt)
})
port.postMessage(await pool.use(transportOf))
