import { parentPort, workerData } from 'node:worker_threads'
import type { Client } from 'pg'
import type { KilledWorkerData } from '../bench/rivals/killed-worker.ts'
import { attach } from '../src/worker.ts'

/** Says by which server session, and runs a query that will not end by itself. */
const pool = await attach<Client>((workerData as KilledWorkerData).address)
const connection = await pool.connect()
const { rows } = await connection.query<{ pid: number }>('select pg_backend_pid() as pid')
parentPort!.postMessage(rows[0]!.pid)
await connection.query('select pg_sleep(600)')
