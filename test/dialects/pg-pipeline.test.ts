import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import pgModule, { type Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { NotSent } from '../../src/base/errors.ts'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import type { Pipeline } from '../../src/dialects/dialect.ts'
import { pg } from '../../src/dialects/pg.ts'
import { ServerView } from '../support/server-view.ts'

let server: PostgresServer
let view: ServerView

beforeAll(async () => {
  server = await startPostgres()
  view = await ServerView.of(server)
})
afterAll(async () => {
  await view.close()
  await server.remove()
})

const dialect = pg()

interface Piped {
  readonly client: Client
  readonly pipeline: Pipeline
  /** What a statement ended with, and when, among all of them. */
  send(text: string, values?: unknown[]): Promise<unknown>
  /** The numbers of the statements that have ended, in that order; their errors as messages. */
  readonly ends: string[]
}

async function piped(): Promise<Piped> {
  const client = new pgModule.Client(server.connectionString)
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.end())
  const pipeline = dialect.pipeline!(client)
  const ends: string[] = []
  let sent = 0
  const send = (text: string, values: unknown[] = []): Promise<unknown> => {
    const number = ++sent
    const ended = new Promise((resolve, reject) => {
      pipeline.send(dialect.statement!(text, values), { resolve, reject })
    })
    return ended.then(
      result => {
        ends.push(`${number}`)
        return (result as { rows: unknown[] }).rows
      },
      (error: Error) => {
        ends.push(`${number} ${error.message}`)
        throw error
      },
    )
  }
  return { client, pipeline, send, ends }
}

const settled = (promises: Promise<unknown>[]): Promise<unknown[]> =>
  Promise.all(promises.map(promise => promise.catch((error: Error) => error.message)))

describe('a pipeline of pg', () => {
  it('has several statements in flight, and answers them in their order, each with its own answer', async () => {
    const { send, ends } = await piped()
    const answers = await Promise.all(
      [1, 2, 3, 4, 5].map(n => send('select $1::int as n, pg_backend_pid() as pid', [n])),
    )
    expect(answers.map(rows => (rows as { n: number }[])[0]!.n)).toEqual([1, 2, 3, 4, 5])
    expect(ends).toEqual(['1', '2', '3', '4', '5'])
  })

  it('does not wait for an answer: what is sent behind a statement that waits is at the server already', async () => {
    const { send, client } = await piped()
    await view.query('select pg_advisory_lock(1)')
    const first = send('select pg_advisory_lock_shared(1)')
    const second = send("notify after, 'sent'")
    // The server has read no more than the first, so what it has not read must be on the way: the driver has nothing left.
    const { _queryQueue: unsent } = client as unknown as { _queryQueue: unknown[] }
    expect(unsent).toEqual([])
    await view.query('select pg_advisory_unlock(1)')
    await Promise.all([first, second])
  })

  it('lets a statement that fails fail alone, whether it can be parsed, bound, or run', async () => {
    const { send, ends, client } = await piped()
    const circle: Record<string, unknown> = {}
    circle.self = circle
    const answers = await settled([
      send('select 1 as n'),
      send('selct 2'),
      send('select 3 as n'),
      send('select $1::int as n', ['four']),
      send('select 5 as n'),
      send('select 6 / 0'),
      send('select 7 as n'),
      send('select $1::json as n', [circle]),
      send('selct $1', [circle]),
      send('select 10 as n'),
    ])
    expect(answers).toEqual([
      [{ n: 1 }],
      'syntax error at or near "selct"',
      [{ n: 3 }],
      'invalid input syntax for type integer: "four"',
      [{ n: 5 }],
      'division by zero',
      [{ n: 7 }],
      expect.stringContaining('circular structure'),
      expect.stringContaining('circular structure'),
      [{ n: 10 }],
    ])
    expect(ends.map(end => Number.parseInt(end, 10))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(dialect.inTransaction!(client)).toBe(false)
  })

  it('tells of a failure when the connection is ready for what comes next', async () => {
    const { client, pipeline } = await piped()
    const seen: unknown[] = []
    for (const values of [
      ['x'],
      [
        {
          toPostgres: () => {
            throw new Error('no')
          },
        },
      ],
    ]) {
      await new Promise<void>(resolve => {
        const done = (): void => {
          seen.push(dialect.inTransaction!(client))
          resolve()
        }
        pipeline.send(dialect.statement!('select $1::int', values), { resolve: done, reject: done })
      })
    }
    expect(seen).toEqual([false, false])
  })

  it('is refused several statements in one text by the server, with values and without', async () => {
    const { send, client } = await piped()
    const words = 'cannot insert multiple commands into a prepared statement'
    expect(
      await settled([send('select 1; begin'), send('select $1::int; select 2', [1]), send('select 3 as n')]),
    ).toEqual([words, words, [{ n: 3 }]])
    expect(dialect.inTransaction!(client)).toBe(false)
  })

  it('makes each statement a transaction of its own', async () => {
    const { send } = await piped()
    await send('create table own (a int unique)')
    const answers = await settled([
      send('insert into own values (1) returning pg_current_xact_id()::text as x'),
      send('insert into own values (1)'),
      send('insert into own values (2) returning pg_current_xact_id()::text as x'),
    ])
    expect(answers[1]).toContain('duplicate key')
    expect(answers[0]).not.toEqual(answers[2])
    expect(await view.query('select a from own order by a')).toEqual([{ a: 1 }, { a: 2 }])
  })

  it('runs what must not be in a transaction, and a text that is nothing', async () => {
    const { send } = await piped()
    expect(await Promise.all([send(''), send('vacuum pg_class'), send('-- nothing'), send('select 1 as n')])).toEqual([
      [],
      [],
      [],
      [{ n: 1 }],
    ])
  })

  it('leaves the client as it was: queries one at a time, cursors, several statements in one text, names', async () => {
    const { client, pipeline, send } = await piped()
    await settled([send('select 1'), send('selct')])
    pipeline.end()
    expect(client.listenerCount('error')).toBe(1)
    const reader = await dialect.cursor!(client, ['select generate_series(1, 3) as n', [], { batchSize: 2 }])
    expect([await reader.read(), await reader.read(), await reader.read()]).toEqual([
      [{ n: 1 }, { n: 2 }],
      [{ n: 3 }],
      [],
    ])
    expect(await client.query('begin; select 1 as n; commit')).toHaveLength(3)
    expect((await client.query({ name: 'a', text: 'select 2 as n' })).rows).toEqual([{ n: 2 }])
    const again = dialect.pipeline!(client)
    const rows = await new Promise((resolve, reject) => {
      again.send(dialect.statement!('select 3 as n', []), { resolve, reject })
    })
    expect((rows as { rows: unknown }).rows).toEqual([{ n: 3 }])
  })

  it('fails all that is in flight when the server ends the session, the one that failed before with its own error', async () => {
    const { client, send } = await piped()
    const { processID } = client as unknown as { processID: number }
    const inFlight = settled([
      send('select 1 / 0'),
      send('select pg_terminate_backend($1)', [processID]),
      send('select 3'),
      send('select 4'),
    ])
    expect(await inFlight).toEqual([
      'division by zero',
      'terminating connection due to administrator command',
      'Connection terminated unexpectedly',
      'Connection terminated unexpectedly',
    ])
    // A statement that is sent after that has its end, too.
    expect(await settled([send('select 5')])).toEqual([expect.stringMatching(/before the statement was sent/)])
  })

  it('over a client that is dead already, fails as well', async () => {
    const { client, pipeline } = await piped()
    pipeline.end()
    const gone = new Promise(resolve => client.once('end', resolve))
    await view.terminate((client as unknown as { processID: number }).processID)
    await gone
    const late = dialect.pipeline!(client)
    const failure = new Promise((_, reject) => {
      late.send(dialect.statement!('select 1', []), { resolve: reject, reject })
    })
    await expect(failure).rejects.toMatchObject({ cause: { message: expect.stringContaining('not queryable') } })
    await expect(failure).rejects.toThrow(NotSent)
  })

  it('tells of what was asked for, and never written, that the server can not have heard of it', async () => {
    const { client, send } = await piped()
    const written = send('select 1')
    await turn()
    const outcomes = settled([written, send('select 2'), send('select 3')])
    ;(client as unknown as { connection: { stream: Socket } }).connection.stream.destroy(new Error('gone'))
    expect(await outcomes).toEqual(['gone', ...Array(2).fill('The connection was lost before the statement was sent.')])
  })
})
