import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { Fairy } from '../../src/fairies/fairy.ts'
import { openPool } from '../support/open-pool.ts'
import { startWorker } from '../support/start-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

/** The members of a toy as a worker sees them. */
interface RemoteToy {
  echo<T>(value: T): Promise<T>
  echoLater<T>(value: T): Promise<T>
  describe(value: unknown): Promise<{ class: string; text: string; size: number }>
  whoami(): Promise<number>
}

const toyPool = (): void => void openPool<ToyConnection>({ creator: toyCreator().creator, poolSize: 1 })

describe('arguments and results that travel between threads', () => {
  it('keep their classes and values both ways: BigInt, Date, Map, Set, RegExp, typed arrays, -0, NaN, undefined', async () => {
    toyPool()
    const seen = await startWorker().run(async ({ attach }) => {
      const toy = (await (await attach()).connect()) as unknown as Fairy & RemoteToy
      const date = new Date(86_400_000)
      const described = [
        await toy.describe(10n ** 30n),
        await toy.describe(date),
        await toy.describe(new Map([[1n, date]])),
        await toy.describe(new Set(['a', 'b'])),
        await toy.describe(Buffer.from('hello')),
        await toy.describe(new Float64Array(2)),
      ]
      const values = [
        10n ** 30n,
        date,
        new Map([[{ key: 1 }, new Set([1n])]]),
        /a+/gi,
        new Float64Array([1.5]),
        -0,
        NaN,
        undefined,
        null,
      ]
      return { described, values, echoed: await toy.echo(values), later: await toy.echoLater(values) }
    })
    expect(seen.described.map(each => each.class)).toEqual(['BigInt', 'Date', 'Map', 'Set', 'Buffer', 'Float64Array'])
    expect(seen.described[0]!.text).toBe('1000000000000000000000000000000')
    expect(seen.described[2]!.size).toBe(1)
    expect(seen.described[4]!.text).toBe('hello')
    expect(seen.echoed).toEqual(seen.values)
    expect(seen.later).toEqual(seen.values)
  })

  it('stay Buffers where they were Buffers, however deep, and Uint8Arrays where they were none', async () => {
    toyPool()
    const seen = await startWorker().run(async ({ attach }) => {
      const toy = (await (await attach()).connect()) as unknown as Fairy & RemoteToy
      const bytes = Buffer.from([1, 2, 3])
      const row = { bytes }
      const sent = {
        bytes,
        list: [bytes, 'x'],
        map: new Map([['k', bytes]]),
        set: new Set([bytes]),
        plain: new Uint8Array([4]),
        row,
        again: row,
        rows: new Map([['r', row]]),
        few: new Set([row]),
      }
      const got = await toy.echo(sent)
      const buffers = [
        got.bytes,
        got.list[0],
        got.map.get('k'),
        [...got.set][0],
        got.row.bytes,
        got.again.bytes,
        got.rows.get('r')?.bytes,
        [...got.few][0]?.bytes,
      ]
      return {
        areBuffers: buffers.map(each => Buffer.isBuffer(each)),
        values: buffers.map(each => (each as Buffer).toString('hex')),
        // A pooled Buffer lies in 8 KiB of memory with others; none of that goes along.
        memory: buffers.map(each => (each as Buffer).buffer.byteLength),
        isSameRow: got.row === got.again && got.row === got.rows.get('r'),
        plain: [got.plain.constructor.name, Buffer.isBuffer(got.plain), got.plain[0]],
        sentIsUntouched:
          sent.bytes === bytes && Buffer.isBuffer(sent.list[0]) && sent.row === row && row.bytes === bytes,
        bare: Buffer.isBuffer(await toy.echo(bytes)),
        empty: Buffer.isBuffer(await toy.echo(Buffer.alloc(0))),
      }
    })
    expect(seen.areBuffers).toEqual(Array(8).fill(true))
    expect(seen.values).toEqual(Array(8).fill('010203'))
    expect(seen.memory).toEqual(Array(8).fill(3))
    expect(seen).toMatchObject({
      plain: ['Uint8Array', false, 4],
      sentIsUntouched: true,
      isSameRow: true,
      bare: true,
      empty: true,
    })
  })

  it('may refer to themselves', async () => {
    toyPool()
    const isRound = await startWorker().run(async ({ attach }) => {
      const toy = (await (await attach()).connect()) as unknown as Fairy & RemoteToy
      const ring: { self?: unknown; map: Map<string, unknown> } = { map: new Map() }
      ring.self = ring
      ring.map.set('ring', ring)
      const got = await toy.echo(ring)
      return got.self === got && got.map.get('ring') === got
    })
    expect(isRound).toBe(true)
  })

  it('are refused by a NotClonableError when they can not travel; the connection stays usable, and so do the calls beside it', async () => {
    toyPool()
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const toy = (await (await attach()).connect()) as unknown as Fairy & RemoteToy
      class Foreign {
        readonly method = (): void => {}
      }
      const before = toy.whoami()
      const failures = [
        failureOf(() => toy.echo(() => {})),
        failureOf(() => toy.echo({ deep: [new Map([['k', () => {}]])] })),
        failureOf(() => toy.echo(Symbol('s'))),
        failureOf(() => toy.echo(new Foreign())),
        failureOf(() => toy.echo(new WeakMap())),
        failureOf(() => toy.echo(Promise.resolve())),
      ]
      const after = toy.whoami()
      return {
        failures: await Promise.all(failures),
        beside: [await before, await after],
        valid: toy.isValid,
        next: await toy.echo('still'),
      }
    })
    for (const failure of seen.failures) {
      expect(failure).toMatchObject({ class: 'NotClonableError', code: 'FAIRYPOOL_NOT_CLONABLE' })
      expect(failure.message).toContain('echo()')
    }
    expect(seen).toMatchObject({ beside: [1, 1], valid: true, next: 'still' })
  })
})

describe("a database's values, in a worker", () => {
  it('are what the driver makes of them: bytea a Buffer, timestamps Dates, bigints as its type parsers say', async () => {
    const server = await startPostgres()
    try {
      openPool<Client>({ dialect: pg(server.connectionString), poolSize: 1 })
      const seen = await startWorker().run(async ({ attach }) => {
        const conn = await (await attach<Client>()).connect()
        const sent = Buffer.from('00ff10', 'hex')
        const text = `select $1::bytea as bytes, length($1::bytea) as size, $2::timestamptz as at, $3::bigint as big,
          $4::jsonb as doc, $5::int[] as list, null as nothing`
        const values = [sent, new Date(0), 2n ** 40n, { a: [1] }, [1, 2]]
        const { rows } = await conn.query(text, values)
        const prepared = await conn.query({ name: 'bytes', text: 'select $1::bytea as bytes', values: [sent] })
        const fromCursor: unknown[] = []
        for await (const row of conn.cursor<{ bytes: Buffer }>('select $1::bytea as bytes', [sent]))
          fromCursor.push(row.bytes)
        const bytes = [rows[0].bytes, prepared.rows[0].bytes, ...fromCursor]
        await conn.close()
        return { rows, buffers: bytes.map(each => [Buffer.isBuffer(each), (each as Buffer).toString('hex')]) }
      })
      expect(seen.buffers).toEqual(Array(3).fill([true, '00ff10']))
      expect(seen.rows[0]).toMatchObject({
        size: 3,
        at: new Date(0),
        big: '1099511627776',
        doc: { a: [1] },
        list: [1, 2],
        nothing: null,
      })
    } finally {
      await server.remove()
    }
  })
})
