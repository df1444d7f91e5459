import { describe, expect, it } from 'vitest'
import { OwnServer } from '../support/own-server.ts'
import { runScript, sourceUrl } from '../support/run-script.ts'

const own = OwnServer.forThisFile()

/** A process of its own, for this one has always something to do. What it prints. */
async function run(script: string): Promise<string> {
  const config = JSON.stringify(own.config('a Unix socket'))
  const head = `
    import { createPool, DeadlockError } from '${sourceUrl('index.js')}'
    import { pg } from '${sourceUrl('pg.js')}'
    import { setTimeout as sleep } from 'node:timers/promises'
    const open = options => createPool({
      dialect: pg(${config}), poolSize: 1, maxOverflow: 0, timeoutMs: 100_000, detectDeadlocks: true, ...options,
    })
    const told = work => work.then(() => 'served', error => error.constructor.name + ' ' + error.code)
  `
  const { code, output, errors } = await runScript(head + script, 60_000)
  expect([code, errors]).toEqual([0, ''])
  return output.trim()
}

describe("on the pool's own thread a deadlock is found", () => {
  it('where a caller borrows within his own borrowing; he is told who has what, and the process ends by itself', async () => {
    const output = await run(`
      const pool = open()
      const fairy = await pool.connect()
      await fairy.query('select 1 as one')
      const error = await pool.connect().catch(error => error)
      console.log(error instanceof DeadlockError, error.holders.length, error.holders[0].statement, error.holders[0].stack.includes('at '))
      await fairy.close()
      console.log((await pool.query('select 2 as two')).rows[0].two)
      await pool.dispose()
    `)
    expect(output).toBe('true 1 select 1 as one true\n2')
  })

  it('where several hold all there are and want one more each: the youngest fails, the others are served', async () => {
    const output = await run(`
      const pool = open({ poolSize: 3 })
      // Who connects first is the server's affair: all have one before the first asks for one more.
      const firsts = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
      const onceMore = async first => {
        try {
          return await told(pool.use(second => second.query('select 1')))
        } finally {
          await first.close()
        }
      }
      console.log((await Promise.all(firsts.map(onceMore))).join())
      await pool.dispose()
    `)
    expect(output).toBe('served,served,DeadlockError FAIRYPOOL_DEADLOCK')
  })

  it('where a uniqueConnection() is wanted beside a thread-local one, and where a query() is', async () => {
    const output = await run(`
      const pool = open({ useThreadlocal: true })
      const outer = await pool.connect()
      const inner = await pool.connect()
      console.log(await told(pool.uniqueConnection()))
      console.log(await told(pool.query('select 1')))
      await inner.close()
      await outer.close()
      console.log(await told(pool.query('select 1')))
      await pool.dispose()
    `)
    expect(output).toBe('DeadlockError FAIRYPOOL_DEADLOCK\nDeadlockError FAIRYPOOL_DEADLOCK\nserved')
  })
})

describe("on the pool's own thread nothing is taken for one", () => {
  it.each([
    ['a query that is under way', `await fairy.query('select pg_sleep(0.7)')`],
    ['a query that is under way behind the back of the fairy', `await fairy.connection.query('select pg_sleep(0.7)')`],
    ['a timer', 'await sleep(700)'],
    [
      'a notification that is awaited',
      `
      await fairy.query('listen news')
      const heard = new Promise(resolve => fairy.on('notification', resolve))
      const other = open({ detectDeadlocks: false })
      setTimeout(() => other.query("select pg_notify('news', '')"), 700).unref()
      await heard
      await other.dispose()`,
    ],
  ])('%s', async (_what, wait) => {
    const output = await run(`
      const pool = open()
      const fairy = await pool.connect()
      const waiting = told(pool.use(second => second.query('select 1')))
      ${wait}
      await fairy.close()
      console.log(await waiting)
      await pool.dispose()
    `)
    expect(output).toBe('served')
  })

  it('a connection that was forgotten: it comes home, and serves who waits', async () => {
    const output = await run(`
      const pool = open()
      await (async () => void await pool.connect())()
      console.log(await told(pool.use(second => second.query('select 1'))))
      await pool.dispose()
    `)
    expect(output).toBe('served')
  })
})
