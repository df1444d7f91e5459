import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { OwnServer, oneRoad } from '../support/own-server.ts'
import { countPosts } from '../support/post-counter.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

describe.each(oneRoad)('messages of a thread that runs the driver itself, over %s,', road => {
  it('there are none for connect + query + close, after its first use of a connection', async () => {
    const pool = own.pool(road, { poolSize: 2 })
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => {
      const pool = keep('pool', await attach<Client>())
      const both = await Promise.all([pool.connect(), pool.connect()])
      for (const conn of both) await conn.query('select 1')
      for (const conn of both) await conn.close()
      const posts = keep<unknown[]>('posts', [])
      const { postMessage } = MessagePort.prototype
      MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
        if (Array.isArray(args[0])) posts.push(args[0])
        return Reflect.apply(postMessage, this, args)
      }
    })
    const mine = countPosts()
    const sum = await worker.run(async ({ kept }) => {
      const pool = kept<PoolClient<Client>>('pool')
      let sum = 0
      for (let n = 1; n <= 100; n++) {
        const conn = await pool.connect()
        sum += (await conn.query<{ n: number }>('select $1::int as n', [n])).rows[0]!.n
        if (n % 10 === 0) for (const text of ['begin', 'select 1', 'commit']) await conn.query(text)
        await conn.close()
        await new Promise(setImmediate)
      }
      return sum
    })
    expect(sum).toBe(5050)
    expect(await worker.run(({ kept }) => kept<unknown[]>('posts'))).toEqual([])
    expect(mine).toEqual([])
    expect(pool.status()).toMatchObject({ checkedin: 2, checkedout: 0 })
  })

  it('there is one, one-way, where a transaction was left open', async () => {
    own.pool(road)
    const kinds = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      await pool.use(conn => conn.query('select 1'))
      const posts: number[][] = []
      const { postMessage } = MessagePort.prototype
      MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
        if (Array.isArray(args[0])) posts.push(args[0].map(([kind]) => kind))
        return Reflect.apply(postMessage, this, args)
      }
      await pool.use(conn => conn.query('begin'))
      await new Promise(setImmediate)
      return posts.length
    })
    expect(kinds).toBe(1)
  })
})
