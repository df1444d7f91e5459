import type { Client } from 'pg'

/** The sums of all that was booked, and what the workers say they have committed. Sums are exact: as PostgreSQL writes them. */
export interface Books {
  readonly accounts: string
  readonly tellers: string
  readonly branches: string
  readonly history: string
  readonly historyRows: number
  readonly transactionsCounted: number
}

export async function readBooks(client: Client, schema: string, transactionsCounted: number): Promise<Books> {
  const { rows } = await client.query<Omit<Books, 'historyRows' | 'transactionsCounted'> & { readonly rows: string }>(`
    select (select sum(abalance) from ${schema}.accounts)::text as accounts,
           (select sum(tbalance) from ${schema}.tellers)::text as tellers,
           (select sum(bbalance) from ${schema}.branches)::text as branches,
           (select coalesce(sum(delta), 0) from ${schema}.history)::text as history,
           (select count(*) from ${schema}.history)::text as rows`)
  const { rows: historyRows, ...sums } = rows[0]!
  return { ...sums, historyRows: Number(historyRows), transactionsCounted }
}
