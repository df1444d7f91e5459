import pgModule, { type Client, type QueryConfig } from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { describeRows } from '../../src/dialects/pg-rows.ts'
import { OwnServer } from '../support/own-server.ts'

const own = OwnServer.forThisFile()

let plain: Client
let quick: Client

async function connect(): Promise<Client> {
  const client = new pgModule.Client(own.config('TCP'))
  // They end with their server.
  client.on('error', () => {})
  await client.connect()
  return client
}

beforeAll(async () => {
  plain = await connect()
  quick = await connect()
  describeRows(quick)
})

/** All that a caller can see of a result. */
async function seen(client: Client, query: string | QueryConfig): Promise<unknown> {
  const result: unknown = await client.query(query).catch((error: Error) => error.message)
  const each = (one: object): unknown => {
    const { rows, fields, rowCount, command } = one as {
      rows: object[]
      fields: object[]
      rowCount: number
      command: string
    }
    return {
      rows,
      fields,
      rowCount,
      command,
      keys: rows.map(row => Object.keys(row)),
      types: rows.map(Object.getPrototypeOf),
    }
  }
  if (typeof result === 'string') return result
  return Array.isArray(result) ? result.map(each) : each(result as object)
}

describe('a client whose rows are described by us', () => {
  it.each<[string, string | QueryConfig]>([
    ['a row', 'select 1 as a'],
    ['another with the same columns', "select 'x' as a"],
    [
      'rows of several types',
      "select 1 as a, 'x' as b, null as c, now()::date as d, '{1,2}'::int[] as e, '{\"f\":1}'::json as f",
    ],
    ['no rows', 'select 1 as a where false'],
    ['no columns', 'select from generate_series(1, 3)'],
    ['a column twice', 'select 1 as a, 2 as a, 3 as b'],
    ['a column of an awkward name', 'select 1 as "__proto__", 2 as "constructor", 3 as "0"'],
    ['several statements', "select 1 as a; select 'x' as b, 2 as c; begin; rollback"],
    ['values', { text: 'select $1::int as a, $2::text as b', values: [1, 'two'] }],
    ['a prepared statement', { name: 'prepared', text: 'select $1::int as a', values: [3] }],
    ['the same again', { name: 'prepared', text: 'select $1::int as a', values: [4] }],
    ['arrays', { text: 'select 1 as a, 2 as a', rowMode: 'array' } as QueryConfig],
    ['types of its own', { text: 'select 1 as a', types: { getTypeParser: () => String } } as unknown as QueryConfig],
    ['an error behind a row', 'select 1 / (2 - g) as a from generate_series(1, 2) g'],
    ['no rows at all', 'create temp table if not exists nothing ()'],
  ])('gives what pg itself gives: %s', async (_, query) => {
    expect(await seen(quick, query)).toEqual(await seen(plain, query))
  })

  it('keeps the rows of one result apart from those of the next', async () => {
    const [first, second] = [await quick.query('select 1 as a'), await quick.query('select 2 as a')]
    expect([first.rows, second.rows]).toEqual([[{ a: 1 }], [{ a: 2 }]])
    first.rows[0].a = 3
    expect((await quick.query('select null as a')).rows).toEqual([{ a: null }])
  })

  it('hands out row by row to who listens for that, and keeps none of them', async () => {
    const outcome = (client: Client): Promise<unknown> =>
      new Promise(resolve => {
        const rows: unknown[] = []
        const query = new pgModule.Query('select g from generate_series(1, 3) g')
        query.on('row', row => rows.push(row))
        query.on('end', result => resolve([rows, result.rows]))
        client.query(query)
      })
    expect(await outcome(quick)).toEqual(await outcome(plain))
  })
})
