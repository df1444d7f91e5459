import { workerData } from 'node:worker_threads'
import type { Client } from 'pg'
import { checkAnswer, question } from '../bench/question.ts'
import { answerRounds } from '../bench/thread.ts'
import { attach, type ShareAddress } from '../src/worker.ts'

const { address } = workerData as { readonly address: ShareAddress }
const pool = await attach<Client>(address)

answerRounds(async id => {
  const connection = await pool.connect()
  try {
    checkAnswer(id, await connection.query(question(id)))
  } finally {
    await connection.close()
  }
})
