import type { ServerView } from '../support/server-view.ts'
import { accounts } from './ledger-chores.ts'

/** What an audit finds. All but the last are of things that must not be. */
export interface Audit {
  /** Transfers by halves, or that do not add up to nothing. */
  readonly torn: number
  /** Transfers that were rolled back, or left open. */
  readonly ghosts: number
  /** Accounts whose balance is not what the entries say. */
  readonly unbalanced: number
  readonly committed: number
}

export async function openBooks(view: ServerView): Promise<void> {
  await view.query('drop table if exists accounts, entries')
  await view.query('create table accounts (id int primary key, balance bigint not null default 0)')
  await view.query('create table entries (transfer bigint, account int, amount int, intent text)')
  await view.query('create index on entries (transfer)')
  await view.query('insert into accounts select n from generate_series(0, $1::int - 1) as n', [accounts])
}

export async function audit(view: ServerView): Promise<Audit> {
  const [found] = await view.query<Audit>(
    `with transfers as (select count(*) as entries, sum(amount) as sum from entries group by transfer)
     select (select count(*) from transfers where entries <> 2 or sum <> 0)::int as torn,
       (select count(*) from entries where intent <> 'commit')::int as ghosts,
       (select count(*) from accounts as a where balance <>
         (select coalesce(sum(amount), 0) from entries where account = a.id))::int as unbalanced,
       (select count(*) from transfers)::int as committed`,
  )
  return found!
}
