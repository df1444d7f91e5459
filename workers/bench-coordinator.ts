import { workerData } from 'node:worker_threads'
import type { CoordinatorData, CoordinatorRequest } from '../bench/rivals/coordinator-load.ts'
import { openSharedPool } from '../bench/rivals/shared-pool.ts'
import { answer } from '../bench/thread.ts'

const { database, connections } = workerData as CoordinatorData
const pool = openSharedPool(database, connections)

answer(pool.share(), async (request: CoordinatorRequest) => {
  if (request === 'close') await pool[Symbol.asyncDispose]()
  return performance.eventLoopUtilization().active
})
