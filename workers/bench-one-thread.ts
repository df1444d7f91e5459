import { workerData } from 'node:worker_threads'
import { answerBursts } from '../bench/bursts.ts'
import { type OneThreadData, oneThreadPools } from '../bench/rivals/one-thread.ts'

const { pool, max } = workerData as OneThreadData

answerBursts(oneThreadPools[pool](max))
