import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { pg } from '../../src/dialects/pg.ts'
import { OwnServer } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import { Bouncers, isInstalled, type Transport } from './bounced.ts'

const own = OwnServer.forThisFile()
const bouncers = Bouncers.forThisFile(own)
const transports: readonly Transport[] = ['direct', 'remote']

/** How each statement ends in a worker, one after another on one connection, each in a transaction of its own or not. */
async function endsOf(texts: readonly string[], ways: 'alone' | 'in a transaction' = 'alone'): Promise<string[]> {
  const worker = startWorker()
  return worker.run(
    async ({ attach, failureOf }, texts, ways) => {
      const pool = await attach<Client>()
      return pool.use(async conn => {
        const ends: string[] = []
        for (const text of texts) {
          if (ways !== 'alone') await conn.query('begin')
          const end = await conn.query(text).then(
            () => 'fine',
            async error => (await failureOf(() => Promise.reject(error))).class,
          )
          if (ways !== 'alone') await conn.query('rollback')
          ends.push(end)
        }
        return ends
      })
    },
    texts,
    ways,
  )
}

/** What stays in a session. */
const lasting = [
  'listen channel',
  'unlisten *',
  "set application_name = 'x'",
  "SET /* a comment */ SESSION application_name = 'x'",
  'reset application_name',
  'discard all',
  "load 'auto_explain'",
  'prepare p as select 1',
  'execute p',
  'deallocate all',
  'create temp table t1 (n int)',
  'create temporary sequence s1',
  'create or replace temp view v1 as select 1',
  'select pg_advisory_lock(1)',
  'select pg_try_advisory_lock_shared(1)',
  'declare c cursor with hold for select 1',
]

/** What ends with its transaction, or does no harm. */
const passing = [
  "set local application_name = 'x'",
  'set transaction read only',
  'create temp table t2 (n int) on commit drop',
  'select pg_advisory_xact_lock(1)',
  'select pg_try_advisory_xact_lock(1)',
  'declare c cursor for select 1',
  "notify channel, 'x'",
  'show application_name',
  "select 'listen'",
]

describe.skipIf(!isInstalled)('behind a PgBouncer', () => {
  it.each(transports)('in transaction mode, what would outlast a transaction is refused (%s)', async transport => {
    bouncers.pool('transaction', transport)
    expect(await endsOf(lasting)).toEqual(lasting.map(() => 'InvalidRequestError'))
    expect(await endsOf(passing, 'in a transaction')).toEqual(passing.map(() => 'fine'))
  })

  it.each(transports)('in session mode, it is not, and it stays (%s)', async transport => {
    bouncers.pool('session', transport)
    expect(await endsOf(lasting.filter(text => !text.startsWith('load')))).not.toContain('InvalidRequestError')
  })

  it('in session mode, a thread that runs the driver hears what it listens to', async () => {
    bouncers.pool('session', 'direct')
    const heard = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      return pool.use(async conn => {
        const heard = new Promise(resolve => conn.connection!.once('notification', ({ payload }) => resolve(payload)))
        await conn.query('listen channel')
        await pool.query("select pg_notify('channel', 'hello')")
        return heard
      })
    })
    expect(heard).toBe('hello')
  })

  it('refuses with a reason that says what to do, as a failed call: to whoever has a callback too', async () => {
    bouncers.pool('transaction', 'direct')
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach<Client>()
      return pool.use(async conn => {
        const promised = await failureOf(() => conn.query('listen channel'))
        const called = await new Promise(resolve =>
          conn.connection!.query('listen channel', error => resolve(error.message)),
        )
        const { rows } = await conn.query('select 1 as one')
        return { promised, called, rows }
      })
    })
    expect(seen.promised).toMatchObject({ class: 'InvalidRequestError', code: 'FAIRYPOOL_INVALID_REQUEST' })
    expect(seen.promised.message).toContain('LISTEN would outlast the transaction')
    expect(seen).toMatchObject({ called: seen.promised.message, rows: [{ one: 1 }] })
  })
})

describe('pg(config, options)', () => {
  it('refuses what it does not know', () => {
    expect(() => pg({}, { pooler: 'statement' as 'session' })).toThrow("pooler must be one of 'session', 'transaction'")
    expect(() => pg({}, { poolr: 'session' } as object)).toThrow("unknown option 'poolr'")
  })
})
