import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { OwnServer, pidOf, roads } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

describe.each(roads)('streams of a worker that runs the driver itself, over %s:', road => {
  it('COPY in and out take all rows, and the connection is as good as ever', async () => {
    const pool = own.pool(road)
    const seen = await startWorker().run(async ({ attach, require }) => {
      const copy = require('pg-copy-streams') as typeof import('pg-copy-streams')
      const { pipeline } = require('node:stream/promises') as typeof import('node:stream/promises')
      const { Readable } = require('node:stream') as typeof import('node:stream')
      const pool = await attach<Client>()
      const conn = await pool.connect()
      const { rows } = await conn.query('select pg_backend_pid() as pid')
      await conn.query('create temp table numbers (n int)')
      const lines = function* () {
        for (let n = 1; n <= 50_000; n++) yield `${n}\n`
      }
      await pipeline(Readable.from(lines()), conn.query(copy.from('copy numbers from stdin')))
      const { rows: sums } = await conn.query('select count(*)::int, sum(n)::bigint::text from numbers')
      let bytes = 0
      let last = ''
      for await (const chunk of conn.query(copy.to('copy (select n from numbers order by n) to stdout'))) {
        bytes += (chunk as Buffer).length
        last = (chunk as Buffer).toString('latin1').slice(-6)
      }
      const after = (await conn.query('select 1 as one')).rows
      await conn.close()
      return { pid: rows[0].pid as number, sums, bytes, last, after }
    })
    expect(seen).toMatchObject({
      sums: [{ count: 50_000, sum: '1250025000' }],
      bytes: 288_894,
      last: '50000\n',
      after: [{ one: 1 }],
    })
    expect(await pidOf(pool)).toBe(seen.pid)
  })

  it('COPY out is held back by who reads slowly, and goes on', async () => {
    own.pool(road)
    const seen = await startWorker().run(async ({ attach, require }) => {
      const copy = require('pg-copy-streams') as typeof import('pg-copy-streams')
      const conn = await (await attach<Client>()).connect()
      const text = "copy (select repeat('x', 1000), generate_series(1, 20000)) to stdout"
      const stream = conn.query(copy.to(text))
      await new Promise(resolve => stream.once('readable', resolve))
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
      const ahead = stream.readableLength
      let bytes = 0
      for await (const chunk of stream) bytes += (chunk as Buffer).length
      const one = (await conn.query('select 1 as one')).rows
      await conn.close()
      return { ahead, bytes, one }
    })
    expect(seen.ahead).toBeLessThan(1_000_000)
    expect(seen).toMatchObject({ bytes: 20_128_894, one: [{ one: 1 }] })
  })

  it("the driver's own cursor reads as it likes", async () => {
    const pool = own.pool(road)
    const seen = await startWorker().run(async ({ attach, require }) => {
      const Cursor = require('pg-cursor') as typeof import('pg-cursor')
      const conn = await (await attach<Client>()).connect()
      const { rows } = await conn.query('select pg_backend_pid() as pid')
      const cursor = conn.query(new Cursor<{ n: number }>('select generate_series(1, 10) n'))
      const read = [await cursor.read(4), await cursor.read(4), await cursor.read(4)].map(each => each.length)
      await cursor.close()
      await conn.close()
      return { pid: rows[0].pid as number, read }
    })
    expect(seen.read).toEqual([4, 4, 2])
    expect(await pidOf(pool)).toBe(seen.pid)
  })

  it('cursor() makes the server produce a batch only when the one before has been used up', async () => {
    own.pool(road)
    const seen = await startWorker().run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      await conn.query('create temp sequence progress')
      const text = "select nextval('progress')::int as n from generate_series(1, 1000000)"
      const cursor = conn.cursor<{ n: number }>(text, [], { batchSize: 10 })
      const numbers: number[] = []
      for (let row = 1; row <= 25; row++) numbers.push((await cursor.next()).value!.n)
      await cursor.close()
      const made = (await conn.query("select currval('progress')::int as made")).rows
      const all: number[] = []
      const series = 'select n from generate_series(1, $1::int) n'
      for await (const { n } of conn.cursor<{ n: number }>(series, [250])) all.push(n)
      for await (const { n } of conn.cursor<{ n: number }>(series, [1_000_000], { batchSize: 2 })) {
        all.push(n)
        break
      }
      const one = (await conn.query('select 1 as one')).rows
      await conn.close()
      return { last: numbers.at(-1), made, all: all.length, one }
    })
    expect(seen).toEqual({ last: 25, made: [{ made: 30 }], all: 251, one: [{ one: 1 }] })
  })
})
