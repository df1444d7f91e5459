import { workerData } from 'node:worker_threads'
import type { Client } from 'pg'
import { checkAnswer, question } from '../bench/question.ts'
import { answerRounds } from '../bench/thread.ts'
import { transportOf } from '../bench/transport.ts'
import { attach, type ShareAddress } from '../src/worker.ts'

const { address } = workerData as { readonly address: ShareAddress }
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
