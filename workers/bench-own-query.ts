import { workerData } from 'node:worker_threads'
import pg from 'pg'
import { checkAnswer, oneShot } from '../bench/question.ts'
import type { OwnPoolData } from '../bench/rivals/own-pools.ts'
import { answerRounds } from '../bench/thread.ts'

const { database, max } = workerData as OwnPoolData
const pool = new pg.Pool({ ...database, max })

answerRounds(async id => checkAnswer(id, 1, await pool.query(oneShot, [id])))
