import type { EventEmitter } from 'node:events'
import pgModule, { type Client } from 'pg'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { pg } from '../../src/dialects/pg.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'

const own = OwnServer.forThisFile()
const dialect = pg()

type Rows = Record<string, unknown>[]
type Ask = (text: string, values?: unknown[]) => Promise<Rows | string>

let ask: Ask
let client: Client
/** How many Parse, Bind, Describe, Close and Sync messages were written, by the letters of their types. */
let written: string

beforeEach(async () => {
  client = new pgModule.Client(own.config('TCP'))
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.end())
  const { stream } = (client as unknown as { connection: { stream: { write(bytes: Uint8Array): boolean } } }).connection
  const { write } = stream
  written = ''
  stream.write = bytes => {
    written += String.fromCharCode(bytes[0]!)
    return write.call(stream, bytes)
  }
  const pipeline = dialect.pipeline!(client)
  ask = (text, values = []) =>
    new Promise(resolve => {
      pipeline.send(dialect.statement!(text, values), {
        resolve: result => resolve((result as { rows: Rows }).rows),
        reject: error => resolve((error as Error).message),
      })
    })
})

const names = async (): Promise<unknown> => {
  const rows = (await ask("select count(*)::int as n from pg_prepared_statements where name like 'fairypool%'")) as Rows
  return rows[0]!.n
}

describe('statements of one text that leave in one write', () => {
  it('are parsed and described once, and leave no name behind', async () => {
    const answers = await Promise.all([1, 2, 3, 4, 5, 6, 7].map(n => ask('select $1::int as n, $1::int * 2 as m', [n])))
    expect(answers).toEqual([1, 2, 3, 4, 5, 6, 7].map(n => [{ n, m: n * 2 }]))
    const first = 'PDBES'
    const next = 'BES'
    const last = 'BECS'
    expect(written).toBe(`${first}${next.repeat(5)}${last}`)
    expect(await names()).toBe(0)
  })

  it('are so among others, and those that are alone go without a name', async () => {
    const texts = ['select 1 as a', 'select 2 as b', 'select 1 as a', 'select 3 as c']
    expect(await Promise.all(texts.map(text => ask(text)))).toEqual([[{ a: 1 }], [{ b: 2 }], [{ a: 1 }], [{ c: 3 }]])
    expect(written).toBe('PDBESPBDESBECSPBDES')
  })

  it('that fail by their group run again before what has been asked for meanwhile, and everybody is answered', async () => {
    const pipeline = dialect.pipeline!(client)
    const statement = (text: string, values: unknown[]): readonly unknown[] => dialect.statement!(text, values)
    const ended: string[] = []
    const end = (name: string): { resolve(): void; reject(error: unknown): void } => {
      const told = (how: string): void => void ended.push(`${name}: ${how}`)
      return { resolve: () => told('fine'), reject: error => told((error as { code: string }).code) }
    }
    // Asked for in the very moment in which the second comes to its end, with one value too many, and before that is known here.
    let answers = 0
    const { connection } = client as unknown as { readonly connection: EventEmitter }
    connection.prependListener('readyForQuery', () => {
      if (++answers === 2) pipeline.send(statement('select 7 as n', []), end('later'))
    })
    pipeline.send(statement('select $1::int as n', [1]), end('first'))
    pipeline.send(statement('select $1::int as n', [1, 2]), end('second'))
    await eventually(() => ended).toEqual(['first: fine', 'second: 08P01', 'later: fine'])
    expect(await ask('select 8 as n')).toEqual([{ n: 8 }])
  })

  it('each have what belongs to a result, whether there are rows or not', async () => {
    await own.view.query('create table grouped (a int unique)')
    const answers = await Promise.all([1, 2].map(a => ask('insert into grouped values ($1)', [a])))
    const none = await Promise.all([1, 2].map(() => ask('select a from grouped where a > 5')))
    const nothing = await Promise.all([1, 2].map(() => ask('-- nothing')))
    expect([answers, none, nothing]).toEqual([
      [[], []],
      [[], []],
      [[], []],
    ])
    const pipeline = dialect.pipeline!(client)
    const results = await Promise.all(
      [1, 2].map(
        () =>
          new Promise<{ fields: { name: string }[] }>((resolve, reject) => {
            const done = { resolve: resolve as (value: unknown) => void, reject }
            pipeline.send(dialect.statement!('select a, 1 as b from grouped where a > 5', []), done)
          }),
      ),
    )
    for (const { fields } of results) expect(fields.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  it('fail alone: by their values, by what they do, by values that can not be written', async () => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    const text = 'select 10 / ($1::json ->> $2)::int as n'
    const values = [
      [{ a: 5 }, 'a'],
      [{ a: 0 }, 'a'],
      [circle, 'a'],
      ['{', 'a'],
      [{ a: 2 }, 'a'],
      [{ a: 1 }, 'a'],
      [{ a: 'x' }, 'a'],
    ]
    expect(await Promise.all(values.map(each => ask(text, each)))).toEqual([
      [{ n: 2 }],
      'division by zero',
      expect.stringContaining('circular structure'),
      'invalid input syntax for type json',
      [{ n: 5 }],
      [{ n: 10 }],
      'invalid input syntax for type integer: "x"',
    ])
    // The last has failed, and with it the Close of its name was skipped: the next write makes up for it.
    await Promise.all([ask('select 1'), ask('select 1')])
    expect(await names()).toBe(0)
  })

  it('fail each with the words of a statement that has no name', async () => {
    expect(await Promise.all([1, 2, 3].map(n => ask('selct $1', [n])))).toEqual(
      [1, 2, 3].map(() => 'syntax error at or near "selct"'),
    )
    const words = 'bind message supplies 2 parameters, but prepared statement "" requires 1'
    expect(await Promise.all([1, 2].map(n => ask('select $1::int', [n, n])))).toEqual([words, words])
    expect(await names()).toBe(0)
  })

  it('see a table that changes between them', async () => {
    await own.view.query('create table changing (a int)')
    await own.view.query('insert into changing values (1)')
    await own.view.query('select pg_advisory_lock(31)')
    // The first holds its lock of the table until the observer lets it go, and the change stands in line before the second.
    const text = 'select *, pg_advisory_lock_shared(31) is null, pg_advisory_unlock_shared(31) from changing'
    const asked = [ask(text), ask(text)]
    await eventually(async () => (await own.view.sessions()).some(({ state }) => state === 'active')).toBe(true)
    const other = new pgModule.Client(own.config('TCP'))
    await other.connect()
    const altered = other.query('alter table changing add b int default 2')
    await eventually(async () => (await own.view.sessions()).filter(({ state }) => state === 'active').length).toBe(2)
    await own.view.query('select pg_advisory_unlock(31)')
    const answers = (await Promise.all(asked)) as Rows[]
    await altered
    await other.end()
    expect(answers.map(rows => 'b' in rows[0]!)).toEqual([false, true])
  })

  it('are run all the same where the session has forgotten the name, and from then on without one', async () => {
    await own.view.query(
      "create function forget(n int) returns int language plpgsql as 'begin deallocate all; return n; end'",
    )
    expect(await Promise.all([1, 2, 3].map(n => ask('select forget($1) as n', [n])))).toEqual(
      [1, 2, 3].map(n => [{ n }]),
    )
    await ask('select 0')
    written = ''
    await Promise.all([ask('select 1'), ask('select 1')])
    expect(written).toBe('PBDESPBDES')
  })
})
