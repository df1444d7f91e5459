import { text } from 'node:stream/consumers'
import { format, inspect } from 'node:util'
import { getEnvironmentData } from 'node:worker_threads'
import type { Client } from 'pg'
import { expect, it } from 'vitest'
import { createPool } from '../../src/index.ts'
import { pg } from '../../src/pg.ts'
import type { Pool } from '../../src/pool/pool.ts'
import { environmentKey } from '../../src/protocol/messages.ts'
import { openPool } from '../support/open-pool.ts'
import { OwnServer } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

/** All the ways in which something is looked at. */
function looksAt(value: unknown): string[] {
  const looks = [
    inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null, maxArrayLength: null }),
    inspect(value, { depth: null, showHidden: true, getters: true }),
    format('%s %o %O %j', value, value, value, String(value)),
  ]
  for (const look of [() => JSON.stringify(value), () => inspect(structuredClone(value), { depth: null })]) {
    try {
      looks.push(look())
    } catch {
      // It has no such look.
    }
  }
  return looks
}

it.each(['direct', 'remote'] as const)(
  'no look at anything public shows the password, nor does a heap of a worker, %s',
  async transport => {
    const password = new URL(own.server.connectionString).password
    expect(password).toMatch(/^[0-9a-f]{32}$/)
    const lines: unknown[] = []
    const keep = (...line: unknown[]): void => void lines.push(line)
    const pool = openPool<Client>({
      dialect: pg(own.server.connectionString),
      poolSize: 2,
      maxOverflow: 0,
      traceCheckouts: true,
      echo: true,
      logger: { debug: keep, info: keep, warn: keep, error: keep },
      ...(transport === 'remote' ? { transport } : {}),
    })
    const seen: unknown[] = []
    for (const event of ['connect', 'checkin', 'invalidate', 'close'] as const)
      pool.on(event, ((...args: unknown[]) => void seen.push(...args)) as never)
    const worker = startWorker()
    const there = await worker.run(async ({ attach, keep, require }) => {
      const { inspect } = require('node:util') as typeof import('node:util')
      const worker = require('node:worker_threads') as typeof import('node:worker_threads')
      keep('word', ['a word', 'that is there'].join(' '))
      const pool = keep('pool', await attach<Client>())
      const fairy = keep('fairy', await pool.connect())
      await fairy.query('select 1')
      const failures = [
        await fairy.query('select 1/0').catch((error: unknown) => error),
        await pool.query('begin').catch((error: unknown) => error),
        await pool.use(conn => conn.invalidate(new Error('so be it'))).catch((error: unknown) => error),
      ]
      const status = await pool.status()
      const holders = await pool.holders()
      const environment = worker.getEnvironmentData('fairypool.pools')
      return [pool, fairy, fairy.connection, status, holders, failures, environment, worker.workerData].map(each =>
        inspect(each, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
      )
    })
    const fairy = await pool.connect()
    const late = await pool.connect({ timeoutMs: 1 }).catch((error: unknown) => error)
    const failed = await fairy.query('select 1/0').catch((error: unknown) => error)
    const looks = [pool, pool.dialect, fairy, fairy.self, fairy.connection, late, failed, seen, lines, pool.status()]
    const here = [...looks, await pool.holders(), pool.share(), getEnvironmentData(environmentKey)].flatMap(looksAt)
    const heap = await text(await worker.thread.getHeapSnapshot())
    await fairy.close()
    expect(seen.length).toBeGreaterThan(2)
    // What is in a heap is seen.
    expect(heap.includes('a word that is there')).toBe(true)
    for (const look of [...here, ...there, heap]) expect(look.includes(password)).toBe(false)
  },
)

it('a wrong password, a wrong address and a wrong option tell what is wrong, and no password', async () => {
  const url = new URL(own.server.connectionString)
  const lines: unknown[] = []
  const keep = (...line: unknown[]): void => void lines.push(line)
  const logger = { debug: keep, info: keep, warn: keep, error: keep }
  const secret = 'aVerySecretWord'
  const configs = [
    Object.assign(new URL(url), { password: secret }).href,
    `postgres://user:${secret}@127.0.0.1:1/nowhere`,
    `postgres://user:${secret}@host:port/db`,
    `postgres://user:${secret}@[::1/db`,
  ]
  const failures: unknown[] = []
  for (const config of configs) {
    const pool = createPool({
      dialect: pg(config),
      poolSize: 1,
      timeoutMs: 2000,
      logger,
      echo: 'debug',
    }) as unknown as Pool<object>
    failures.push(await pool.connect().catch((error: unknown) => error))
    failures.push(await pool.query('select 1').catch((error: unknown) => error))
    await pool.dispose()
  }
  const wrong: unknown[] = [
    `postgres://user:${secret}@host/db`,
    { dialect: `postgres://user:${secret}@host/db` },
    { dialect: pg(), connectionString: secret },
    { dialect: pg(), logger: { password: secret } },
    { dialect: pg(), loggingName: ['x', secret] },
  ]
  for (const options of wrong) {
    try {
      createPool(options as never)
    } catch (error) {
      failures.push(error)
    }
  }
  expect(failures).toHaveLength(configs.length * 2 + wrong.length)
  for (const failure of failures) expect(failure).toBeInstanceOf(Error)
  for (const look of [...failures, ...lines].flatMap(looksAt)) expect(look.includes(secret)).toBe(false)
})
