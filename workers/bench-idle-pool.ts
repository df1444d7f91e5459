import { workerData } from 'node:worker_threads'
import type { Client } from 'pg'
import { answerBursts } from '../bench/bursts.ts'
import type { SharedPoolData } from '../bench/rivals/shared-pool.ts'
import { transportOf } from '../bench/transport.ts'
import { attach } from '../src/worker.ts'

const { address, connections } = workerData as SharedPoolData
const pool = await attach<Client>(address)

// All are open and at home before the first is borrowed.
const all = await Promise.all(Array.from({ length: connections }, () => pool.connect()))
for (const connection of all) await connection.close()

answerBursts(
  async count => {
    for (let i = 0; i < count; i++) {
      const connection = await pool.connect()
      await connection.close()
    }
  },
  await pool.use(transportOf),
)
