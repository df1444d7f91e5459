import type { Client } from 'pg'
import { playRound, type Round, type Tally } from '../src/cli/round.ts'
import { transact } from '../src/cli/tpcb.ts'
import { attach } from '../src/worker.ts'

/** A thread of the contest that shares the pool. */
export async function shared(round: Round): Promise<Tally> {
  const pool = await attach<Client>()
  return playRound(round, () => pool.use(connection => transact(connection, round.schema)))
}
