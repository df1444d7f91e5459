import { workerData } from 'node:worker_threads'
import type { Client } from 'pg'
import { checkAnswer, question } from '../bench/question.ts'
import type { SharedPoolData } from '../bench/rivals/shared-pool.ts'
import { answerRounds } from '../bench/thread.ts'
import { transportOf } from '../bench/transport.ts'
import { attach } from '../src/worker.ts'

const { address } = workerData as SharedPoolData
const pool = await attach<Client>(address)

answerRounds(
  async (id, rows, granted) => {
    const connection = await pool.connect()
    granted()
    try {
      checkAnswer(id, rows, await connection.query(question(id, rows)))
    } finally {
      await connection.close()
    }
  },
  await pool.use(transportOf),
)
