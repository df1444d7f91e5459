import { parentPort, workerData } from 'node:worker_threads'
import type { Client } from 'pg'
import type { HangData } from '../src/cli/killed.ts'
import { attach } from '../src/worker.ts'

/** Changes a row in a transaction, says by which server session, and runs a query that will not end by itself. */
const { address, schema, aid } = workerData as HangData
const pool = await attach<Client>(address)
const connection = await pool.connect()
await connection.query('begin')
await connection.query(`update ${schema}.accounts set abalance = abalance + 1 where aid = $1`, [aid])
const { rows } = await connection.query<{ pid: number }>('select pg_backend_pid() as pid')
parentPort!.postMessage(rows[0]!.pid)
await connection.query('select pg_sleep(600)')
