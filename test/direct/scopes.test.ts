import { fileURLToPath } from 'node:url'
import type { Client } from 'pg'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createWorkers } from '../../src/coordinator/workers.ts'
import { createPool } from '../../src/index.ts'
import { pg } from '../../src/pg.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad, pidOf } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()
const filename = fileURLToPath(new URL('../workers/pg-tasks.js', import.meta.url))

beforeAll(() => own.view.query('create table books (n int)'))
beforeEach(() => own.view.query('truncate books'))

const books = async (): Promise<number> =>
  (await own.view.query<{ count: number }>('select count(*)::int from books'))[0]!.count

describe.each(oneRoad)('scopes of a direct lease, over %s:', road => {
  it('nested checkouts of a thread share one client, which the outermost close gives back', async () => {
    const pool = own.pool(road, { useThreadlocal: true })
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      const [outer, inner] = await Promise.all([pool.connect(), pool.connect()])
      const isSame = outer === inner && outer.connection === inner.connection
      await inner.query('begin')
      const pid = await pool.use(
        async conn => (await conn.query('select pg_backend_pid() as pid')).rows[0].pid as number,
      )
      await inner.close()
      const still = (await outer.query('select 1 as one')).rows
      await outer.query('commit')
      await outer.close()
      return { isSame, pid, still, isValid: outer.isValid }
    })
    expect(seen).toMatchObject({ isSame: true, still: [{ one: 1 }], isValid: false })
    expect(await pidOf(pool)).toBe(seen.pid)
  })

  it('use() gives the connection back whatever its work does', async () => {
    const pool = own.pool(road)
    const failures = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      return [
        await failureOf(() => pool.use(conn => conn.query('select 1/0'))),
        await failureOf(() =>
          pool.use(async conn => {
            await conn.query('begin')
            await conn.query('insert into books values (1)')
            throw new RangeError('mine')
          }),
        ),
      ]
    })
    expect(failures).toMatchObject([{ code: '22012' }, { class: 'RangeError' }])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    expect(await books()).toBe(0)
  })

  it('a task of Piscina that leaves a connection open gives it back when it ends, its transaction rolled back', async () => {
    const pool = createPool<Client>({ dialect: pg(own.config(road)), poolSize: 1, maxOverflow: 0 })
    const piscina = createWorkers(pool, { filename, maxThreads: 1 })
    onTestFinished(async () => {
      await piscina.destroy()
      pool.unshare()
      await pool.dispose()
    })
    const pid = await piscina.run(undefined, { name: 'forgetful' })
    expect(await piscina.run(undefined, { name: 'tidy' })).toBe(pid)
    expect(await books()).toBe(0)
    expect(await piscina.run(undefined, { name: 'hasty' })).toBe(true)
    expect(await piscina.run(undefined, { name: 'tidy' })).toBe(pid)
    expect(await books()).toBe(1)
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })
})
