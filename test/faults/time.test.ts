import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import { runScript, sourceUrl } from '../support/run-script.ts'
import { openHouse, transports } from './house.ts'
import { closeLater, use } from './scripts.ts'

const own = OwnServer.forThisFile()

/** The clock of days, here. It stays wrong until the test is over. */
function jump(byMs: number): void {
  const { now } = Date
  const spy = vi.spyOn(Date, 'now').mockImplementation(() => now() + byMs)
  onTestFinished(() => spy.mockRestore())
}

const day = 86_400_000

/** Nothing else of this thread runs meanwhile. */
const block = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

describe.each(transports)('%s:', transport => {
  it.each([
    ['forward', day],
    ['back', -day],
  ])(
    'fault 14: the clock of days jumps %s: no connection is too old by it, nobody late, and none that is condemned lives on',
    async (_way, byMs) => {
      const { pool, worker } = await openHouse(own, transport, { recycleMs: 600_000, prePing: true })
      const pid = await worker.run(use)
      jump(byMs)
      await worker.run((_context, byMs) => {
        const { now } = Date
        Date.now = () => now() + byMs
      }, byMs)
      const held = await pool.connect()
      const waiting = worker.run(use)
      await eventually(() => pool.status().waiting).toBe(1)
      await held.close()
      expect(await waiting).toBe(pid)
      await pool.invalidate()
      expect(await worker.run(use)).not.toBe(pid)
    },
  )

  it('fault 14: a user’s loop that was blocked beyond a deadline does not call late what came in time', async () => {
    const { pool, worker } = await openHouse(own, transport)
    await worker.run(use)
    const held = await pool.connect()
    const outcome = worker.run(async ({ kept, say }) => {
      const connecting = kept<PoolClient<Client>>('pool').connect({ timeoutMs: 300 })
      const told = connecting.then(
        () => 'served',
        (error: Error) => error.message,
      )
      await new Promise(resolve => setImmediate(resolve))
      say('blocked')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
      return told
    })
    await worker.hear()
    await held.close()
    expect(await outcome).toBe('served')
  })

  it('fault 14: nor does the owner’s', async () => {
    const { pool, worker } = await openHouse(own, transport)
    const flag = new Int32Array(new SharedArrayBuffer(4))
    const closing = worker.run(closeLater, flag, 1)
    await worker.hear()
    const waiting = pool.connect({ timeoutMs: 300 })
    waiting.catch(() => {})
    Atomics.store(flag, 0, 1)
    Atomics.notify(flag, 0)
    block(1000)
    await (await waiting).close()
    await closing
  })

  it('fault 15: invalidations and opens at the very same time by the clock are told apart', async () => {
    const { pool, worker } = await openHouse(own, transport, { recycleMs: 600_000 })
    const frozen = vi.spyOn(process, 'hrtime').mockReturnValue([1_000_000, 0])
    onTestFinished(() => frozen.mockRestore())
    const pids = await worker.run(async ({ kept }) => {
      Object.assign(process, { hrtime: () => [1_000_000, 0] })
      const pool = kept<PoolClient<Client>>('pool')
      const pid = async (): Promise<number> =>
        (await pool.use(conn => conn.query('select pg_backend_pid() as pid'))).rows[0].pid
      const first = await pid()
      await pool.invalidate()
      return [first, await pid(), await pid()]
    })
    expect(pids[1]).not.toBe(pids[0])
    expect(pids[2]).toBe(pids[1])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })
})

it('fault 14: a process that is suspended with a query under way goes on where it was', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', suspended(own.server.connectionString)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (bytes: Buffer) => {
    output += String(bytes)
  })
  await eventually(() => output).toBe('asked\n')
  child.kill('SIGSTOP')
  // The answer is ready after 300 ms, deadlines have passed after 500.
  await delay(1200)
  child.kill('SIGCONT')
  await once(child, 'exit')
  expect(output).toBe('asked\nanswered\nserved\n')
  expect(child.exitCode).toBe(0)
})

/** A process whose one connection runs a query that somebody waits for the end of. */
const suspended = (url: string): string => `
  import { createPool } from '${sourceUrl('index.js')}'
  import { pg } from '${sourceUrl('pg.js')}'
  const pool = createPool({ dialect: pg('${url}'), poolSize: 1, maxOverflow: 0, closeTimeoutMs: 500 })
  const conn = await pool.connect()
  const answer = conn.query('select pg_sleep(0.3)')
  const waiting = pool.connect({ timeoutMs: 10_000 })
  setImmediate(() => console.log('asked'))
  await answer
  console.log('answered')
  await conn.close()
  await waiting.then(conn => conn.close())
  console.log('served')
  await pool.dispose()`

/** A process with a pool, and a worker that uses it; both are left as they are. */
const withWorker = (url: string, transport: string, inWorker: string): string => `
  import { Worker } from 'node:worker_threads'
  import { createPool } from '${sourceUrl('index.js')}'
  import { pg } from '${sourceUrl('pg.js')}'
  const pool = createPool({
    dialect: pg('${url}'), poolSize: 2, maxOverflow: 0, retryConnect: true,
    ${transport === 'remote' ? "transport: 'remote'," : ''}
  })
  pool.share()
  const source = \`import('${sourceUrl('worker.js')}').then(async ({ attach }) => { const pool = await attach(); ${inWorker} })\`
  const worker = new Worker(source, { eval: true })
  worker.on('exit', code => console.log('worker ' + code))`

describe.each(transports)('%s:', transport => {
  it.each([
    ['is idle', 'await pool.use(conn => conn.query("select 1"))', 'worker 0\n'],
    ['is out and quiet', 'globalThis.conn = await pool.connect()', 'worker 0\n'],
  ])('fault 25: a connection that %s keeps neither its process nor its worker', async (_how, work, output) => {
    const run = await runScript(withWorker(own.server.connectionString, transport, work))
    expect(run).toMatchObject({ code: 0, output, errors: '' })
  })

  it('fault 25: a caller who waits is told before his worker may end, while nothing else is to be done', async () => {
    const work = `
      globalThis.held = [await pool.connect(), await pool.connect()]
      pool.connect({ timeoutMs: 300 }).catch(error => console.log(error.code))`
    const run = await runScript(withWorker(own.server.connectionString, transport, work))
    expect(run).toMatchObject({ code: 0, output: 'FAIRYPOOL_TIMEOUT\nworker 0\n', errors: '' })
  })

  it('fault 25: so is one who waits for a database that is not there; its prober keeps nobody after that', async () => {
    const work = `pool.connect({ timeoutMs: 300 }).catch(error => console.log(error.code))`
    const run = await runScript(withWorker('postgres://postgres@127.0.0.1:1/postgres', transport, work))
    expect(run).toMatchObject({ code: 0, output: 'FAIRYPOOL_TIMEOUT\nworker 0\n', errors: '' })
  })
})
