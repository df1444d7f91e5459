import { workerData } from 'node:worker_threads'
import type { Client } from 'pg'
import { checkAnswer, oneShot } from '../bench/question.ts'
import type { SharedPoolData } from '../bench/rivals/shared-pool.ts'
import { answerRounds, decline } from '../bench/thread.ts'
import { transportOf } from '../bench/transport.ts'
import { attach } from '../src/worker.ts'

/** A pool that runs single statements by itself; not every version does. */
interface OneShotPool {
  query(text: string, values: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>
}

const hasQuery = (pool: object): pool is OneShotPool => 'query' in pool && typeof pool.query === 'function'

const { address } = workerData as SharedPoolData
const pool = await attach<Client>(address)
const transport = await pool.use(transportOf)
const queries: object = pool

if (!hasQuery(queries)) decline('this version has no pool.query()')
else answerRounds(async id => checkAnswer(id, 1, await queries.query(oneShot, [id])), transport)
