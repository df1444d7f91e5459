import pg from 'pg'
import { playRound, type Round, type Tally } from '../src/cli/round.ts'
import { transact } from '../src/cli/tpcb.ts'

let pool: pg.Pool | undefined

/** Kept from round to round, connections included, as an app would. */
function poolOf({ connectionString, connections }: Round): pg.Pool {
  if (pool) return pool
  pool = new pg.Pool({ connectionString, max: connections, idleTimeoutMillis: 0 })
  pool.on('error', () => {})
  return pool
}

/** A thread of the contest that has a pool of its own. */
export async function own(round: Round): Promise<Tally> {
  const ownPool = poolOf(round)
  return playRound(round, async () => {
    const client = await ownPool.connect()
    let failed = true
    try {
      await transact(client, round.schema)
      failed = false
    } finally {
      client.release(failed)
    }
  })
}
