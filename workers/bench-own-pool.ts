import { workerData } from 'node:worker_threads'
import pg from 'pg'
import { checkAnswer, question } from '../bench/question.ts'
import type { OwnPoolData } from '../bench/rivals/own-pools.ts'
import { answerRounds } from '../bench/thread.ts'

const { database, max } = workerData as OwnPoolData
const pool = new pg.Pool({ ...database, max })

answerRounds(async (id, rows, granted) => {
  const client = await pool.connect()
  granted()
  try {
    checkAnswer(id, rows, await client.query(question(id, rows)))
  } finally {
    client.release()
  }
})
