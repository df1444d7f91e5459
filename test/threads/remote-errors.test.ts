import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type * as doors from '../../src/worker.ts'
import { openPool } from '../support/open-pool.ts'
import { startWorker } from '../support/start-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

/** The members of a toy as a worker sees them. */
type RemoteToy = Fairy & Record<string, (...args: unknown[]) => Promise<unknown>>

const toyPool = (): void => void openPool<ToyConnection>({ creator: toyCreator().creator, poolSize: 1 })

describe("a driver's errors, in a worker", () => {
  let server: PostgresServer

  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.remove())

  it('are instances of pg.DatabaseError where the worker has loaded pg, with every field', async () => {
    openPool<Client>({ dialect: pg(server.connectionString), transport: 'remote', poolSize: 1 })
    const seen = await startWorker().run(async ({ attach, load, failureOf }) => {
      const { default: driver } = (await load('pg')) as typeof import('pg')
      const pool = await attach<Client>()
      return pool.use(async conn => {
        await conn.query('create temp table t (n int constraint positive check (n > 0))')
        const error = await conn.query('insert into t values (-1)').catch((error: unknown) => error)
        const isInstance = error instanceof driver.DatabaseError
        return {
          isInstance,
          failure: await failureOf(() => conn.query('select 1 / $1::int', [0])),
          constraint: { ...(error as object) },
        }
      })
    })
    expect(seen.isInstance).toBe(true)
    expect(seen.constraint).toMatchObject({ code: '23514', severity: 'ERROR', table: 't', constraint: 'positive' })
    expect(seen.failure).toMatchObject({ class: 'DatabaseError', code: '22012', message: 'division by zero' })
  })

  it("keep the driver's name and code where the worker has not, and say where on the coordinator it happened", async () => {
    const pool = openPool<Client>({ dialect: pg(server.connectionString), transport: 'remote', poolSize: 1 })
    const ask = 'select nothing from nowhere'
    const here = await pool.use(conn => conn.query(ask).catch((error: unknown) => error as Error & { code: string }))
    const { failure, hasPg } = await startWorker().run(async ({ attach, require, failureOf }, ask) => {
      const pool = await attach<Client>()
      const failure = await pool.use(conn => failureOf(() => conn.query(ask)))
      const { createRequire } = require('node:module') as typeof import('node:module')
      const hasPg = Object.keys(createRequire('file:///').cache).some(path => path.includes('pg-protocol'))
      return { failure, hasPg }
    }, ask)
    expect(hasPg).toBe(false)
    expect(failure).toMatchObject({
      class: 'Error',
      name: (here as Error).name,
      code: '42P01',
      message: (here as Error).message,
    })
    expect(failure.fields).toEqual({ ...(here as object) })
    expect(failure.stack).toMatch(/node_modules.pg/)
  })

  it('keep class, code, fields, Buffers and causes; what can not be cloned is left out', async () => {
    toyPool()
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const toy = (await (await attach()).connect()) as unknown as RemoteToy
      const error = (await toy.fail!().catch((error: unknown) => error)) as Error & { bytes: unknown }
      const isRange = error.cause instanceof RangeError
      return {
        failure: await failureOf(() => Promise.reject(error)),
        isBuffer: Buffer.isBuffer(error.bytes),
        isRange,
        cause: (error.cause as Error).cause,
      }
    })
    expect(seen).toMatchObject({ isBuffer: true, isRange: true, cause: 'a word' })
    const { failure } = seen
    expect(failure).toMatchObject({
      name: 'ToyError',
      code: 'TOY42',
      message: 'The toy has failed',
      fields: { severity: 'mild' },
    })
    expect(failure.fields).not.toHaveProperty('notClonable')
    expect(failure.stack).toContain('toy-driver')
    expect(failure.cause).toMatchObject({ class: 'RangeError', message: 'too far' })
  })

  it('arrive whatever they are: many in one, no error at all, circular, unreadable', async () => {
    toyPool()
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const toy = (await (await attach()).connect()) as unknown as RemoteToy
      const many = (await toy.failMany!().catch((error: unknown) => error)) as AggregateError
      const text = await toy.throwText!().catch((error: unknown) => error)
      const circles = await failureOf(() => toy.failInCircles!())
      const unreadable = await failureOf(() => toy.failUnreadably!())
      return {
        many: [many instanceof AggregateError, many.message, many.errors.map(each => `${each.name}: ${each.message}`)],
        second: many.errors[1] instanceof TypeError,
        text,
        circles: [circles.name, circles.cause?.name],
        unreadable: unreadable.message,
        still: await toy.whoami!(),
      }
    })
    expect(seen).toEqual({
      many: [true, 'All have failed', ['ToyError: first', 'TypeError: second']],
      second: true,
      text: 'no error at all',
      circles: ['ToyError', 'ToyError'],
      unreadable: 'The driver has thrown an error that could not be read.',
      still: 1,
    })
  })

  it('do not hang a call whose result can not even be read', async () => {
    toyPool()
    const failure = await startWorker().run(async ({ attach, failureOf }) => {
      const toy = (await (await attach()).connect()) as unknown as RemoteToy
      return failureOf(() => toy.unreadable!())
    })
    expect(failure).toMatchObject({ name: 'ToyError', message: 'hands off' })
  })
})

describe("the library's own errors, in a worker", () => {
  it("are instances of the classes that 'fairypool/worker' exports, with code and facts", async () => {
    toyPool()
    const seen = await startWorker().run(async ({ attach, load }) => {
      const { TimeoutError, InvalidRequestError, StaleLeaseError, PoolError } = (await load(
        '../../src/worker.js',
      )) as typeof doors
      const pool = await attach()
      const toy = (await pool.connect()) as unknown as RemoteToy
      const statement = (await toy.prepare!('x')) as RemoteToy
      await Promise.all(Array.from({ length: 10 }, () => pool.connect()))
      const late = await pool.connect({ timeoutMs: 1 }).catch((error: unknown) => error)
      await toy.close!()
      const closed = await toy.whoami!().catch((error: unknown) => error)
      const stale = await statement.run!().catch((error: unknown) => error)
      return [
        [
          late instanceof TimeoutError,
          late instanceof PoolError,
          (late as doors.TimeoutError).code,
          (late as doors.TimeoutError).phase,
        ],
        [closed instanceof InvalidRequestError, closed instanceof PoolError, (closed as doors.PoolError).code],
        [stale instanceof StaleLeaseError, stale instanceof PoolError, (stale as doors.PoolError).code],
      ]
    })
    expect(seen).toEqual([
      [true, true, 'FAIRYPOOL_TIMEOUT', 'wait'],
      [true, true, 'FAIRYPOOL_INVALID_REQUEST'],
      [true, true, 'FAIRYPOOL_STALE_LEASE'],
    ])
  })
})
