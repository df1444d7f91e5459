import type { Client } from 'pg'

/** TPC-B at scale 1, as pgbench lays it out. */
export const scale = { branches: 1, tellers: 10, accounts: 100_000 } as const

/** As much of a connection as a transaction needs: a fairy has it, and so has a client of `pg.Pool`. */
export interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>
}

/** How many times `load` reports. */
export const loadSteps = 11

export async function load(client: Client, schema: string, report: () => void): Promise<void> {
  await client.query(`
    create table ${schema}.branches (bid int not null, bbalance int not null, filler char(88));
    create table ${schema}.tellers (tid int not null, bid int not null, tbalance int not null, filler char(84));
    create table ${schema}.accounts (aid int not null, bid int not null, abalance int not null, filler char(84));
    create table ${schema}.history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
    insert into ${schema}.branches select bid, 0 from generate_series(1, ${scale.branches}) bid;
    insert into ${schema}.tellers select tid, 1, 0 from generate_series(1, ${scale.tellers}) tid`)
  const portion = scale.accounts / (loadSteps - 1)
  for (let first = 1; first <= scale.accounts; first += portion) {
    report()
    const accounts = `generate_series(${first}, ${first + portion - 1})`
    await client.query(`insert into ${schema}.accounts select aid, 1, 0, '' from ${accounts} aid`)
  }
  report()
  await client.query(`
    alter table ${schema}.branches add primary key (bid);
    alter table ${schema}.tellers add primary key (tid);
    alter table ${schema}.accounts add primary key (aid)`)
  await client.query(
    `vacuum analyze ${['branches', 'tellers', 'accounts'].map(table => `${schema}.${table}`).join(', ')}`,
  )
}

/** One transaction: seven round trips, and from the branch's update to the commit it holds the one row that all others want. */
export async function transact(connection: Queryable, schema: string): Promise<void> {
  const aid = upTo(scale.accounts)
  const tid = upTo(scale.tellers)
  const bid = upTo(scale.branches)
  const delta = upTo(10_001) - 5001
  await connection.query('begin')
  await connection.query(`update ${schema}.accounts set abalance = abalance + $1 where aid = $2`, [delta, aid])
  await connection.query(`select abalance from ${schema}.accounts where aid = $1`, [aid])
  await connection.query(`update ${schema}.tellers set tbalance = tbalance + $1 where tid = $2`, [delta, tid])
  await connection.query(`update ${schema}.branches set bbalance = bbalance + $1 where bid = $2`, [delta, bid])
  await connection.query(`insert into ${schema}.history values ($1, $2, $3, $4, current_timestamp)`, [
    tid,
    bid,
    aid,
    delta,
  ])
  await connection.query('commit')
}

const upTo = (most: number): number => 1 + Math.floor(Math.random() * most)
