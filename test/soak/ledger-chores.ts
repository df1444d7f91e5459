import type { QueryResult } from 'pg'
import { block } from './fairy-chores.ts'
import type { Chore } from './scene.ts'

export const accounts = 64

/** An amount that goes to an account, or from it, and the ledger's entry of that: both or none. */
const post = `with entry as (insert into entries (transfer, account, amount, intent) values ($1, $2, $3, $4))
  update accounts set balance = balance + $3 where id = $2`

/** The books of all transfers. A transfer is two entries that add up to nothing; only those are to be found that meant to be committed. */
export const transfers: Chore = {
  name: 'transfer',
  weight: 30,
  async run(scene) {
    const { random, id, pool } = scene
    const intent = random.pick(['commit', 'commit', 'rollback', 'left open'])
    // In the order of their numbers: transfers wait for each other, but never in a circle.
    const from = random.below(accounts - 1)
    const to = from + 1 + random.below(accounts - 1 - from)
    const amount = 1 + random.below(100)
    await scene.lent(async conn => {
      await conn.query('begin')
      await conn.query(post, [id, from, -amount, intent])
      if (random.chance(0.05)) block(random.below(20))
      await conn.query(post, [id, to, amount, intent])
      if (intent !== 'left open') await conn.query(intent)
    })
    if (intent === 'commit') scene.tally.add('commits')
    const text =
      'select count(*)::int as entries, coalesce(sum(amount), 0)::int as sum from entries where transfer = $1'
    const { rows } = await pool.query<QueryResult>(text, [id])
    scene.same(rows, [{ entries: intent === 'commit' ? 2 : 0, sum: 0 }])
  },
}
