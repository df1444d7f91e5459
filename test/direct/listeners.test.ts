import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad, type Road } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

/** Two threads ask in turn, over one connection, and each gets its own answers: how many of them were wrong, of how many. */
async function wrongAnswers(): Promise<readonly number[]> {
  const seen = await Promise.all(
    [startWorker(), startWorker()].map(worker =>
      worker.run(async ({ attach }, me) => {
        const pool = await attach<Client>()
        let wrong = 0
        for (let round = 0; round < 15; round++) {
          const tag = `${me} ${round}`
          const conn = await pool.connect()
          if (round % 4 === 3) await conn.query('begin')
          const { rows } = await conn.query('select $1::text as tag', [tag])
          if (rows.length !== 1 || rows[0].tag !== tag) wrong++
          await conn.close()
        }
        return wrong
      }, worker.threadId),
    ),
  )
  return seen
}

/** What one thread does with a pool, and the events of the pool that it makes. */
async function eventsOf(road: Road, transport: 'remote' | undefined): Promise<string[]> {
  const pool = own.pool(road, transport === undefined ? {} : { transport })
  const heard: string[] = []
  const names = [
    'connect',
    'firstConnect',
    'checkout',
    'checkin',
    'reset',
    'invalidate',
    'softInvalidate',
    'close',
  ] as const
  for (const name of [...names, 'detach', 'closeDetached'] as const) pool.on(name, () => void heard.push(name))
  await startWorker().run(async ({ attach, failureOf }) => {
    const pool = await attach<Client>()
    await pool.use(conn => conn.query('select 1'))
    await pool.use(conn => conn.query('begin'))
    await pool.use(() => {})
    const soft = await pool.connect()
    await soft.invalidate(undefined, { soft: true })
    await soft.close()
    const hard = await pool.connect()
    await hard.query('select 1')
    await hard.invalidate(new Error('mine'))
    const own = await pool.connect()
    await own.query('select 1')
    await own.detach()
    await own.close()
    await failureOf(() => own.query('select 1'))
  })
  await eventually(() => pool.status().checkedout).toBe(0)
  pool.unshare()
  return heard
}

describe.each(oneRoad)('listeners on the coordinator, and threads that run the driver themselves, over %s:', road => {
  it.each(['awaited', 'not awaited'] as const)(
    "what listeners ask of the connection, %s, gets in no borrower's way",
    async manner => {
      const pool = own.pool(road)
      let asked = 0
      const ask = (client: Pick<Client, 'query'> | undefined, text: string): unknown => {
        asked++
        const answer = client?.query(text)
        answer?.catch(() => {})
        return manner === 'awaited' ? answer : undefined
      }
      pool.on('connect', client => ask(client, "set application_name to 'greeted'"))
      pool.on('checkout', client => ask(client, 'select 1 as checkout'))
      pool.on('reset', fairy => ask(fairy as Fairy<Client>, 'select 2 as reset'))
      pool.on('checkin', client => ask(client, 'select 3 as checkin, pg_sleep(0.002)'))
      expect(await wrongAnswers()).toEqual([0, 0])
      expect(asked).toBe(1 + 3 * 30)
      const { rows } = await pool.use(conn => conn.query('show application_name'))
      expect(rows).toEqual([{ application_name: 'greeted' }])
    },
  )

  it('a connect listener alone may leave its query to itself, and the first borrower waits for it', async () => {
    const pool = own.pool(road)
    pool.on('connect', client => void client.query("set application_name to 'greeted'"))
    const rows = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      return (await pool.use(conn => conn.query('show application_name'))).rows
    })
    expect(rows).toEqual([{ application_name: 'greeted' }])
  })

  it('hear the same events in the same order as where the coordinator runs the driver', async () => {
    const direct = await eventsOf(road, undefined)
    const remote = await eventsOf(road, 'remote')
    expect(direct).toEqual(remote)
    for (const name of ['checkout', 'reset', 'checkin', 'softInvalidate', 'invalidate', 'closeDetached'])
      expect(direct).toContain(name)
  })

  it('that come while a thread holds a connection hear of its return, and of all that follows', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    const heard: string[] = []
    await worker.run(async ({ attach, keep }) => {
      const conn = keep('conn', await (await attach<Client>()).connect())
      await conn.query('select 1')
    })
    pool.on('checkin', () => void heard.push('checkin'))
    pool.on('checkout', () => void heard.push('checkout'))
    await worker.run(({ kept }) => kept<Fairy<Client>>('conn').close())
    expect(heard).toEqual(['checkin'])
    await worker.run(async ({ attach }) => void (await (await attach<Client>()).use(conn => conn.query('select 1'))))
    expect(heard).toEqual(['checkin', 'checkout', 'checkin'])
  })

  it('the log at echo debug tells every checkout and return', async () => {
    const lines: string[] = []
    const note = (line: string): void => void lines.push(line)
    const pool: QueuePool<Client> = own.pool(road, {
      echo: 'debug',
      logger: { debug: note, info: note, warn: note, error: note },
    })
    await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      for (let round = 0; round < 3; round++) await pool.use(conn => conn.query('select 1'))
    })
    await eventually(() => pool.status().checkedout).toBe(0)
    const count = (words: string): number => lines.filter(line => line.includes(words)).length
    expect(count('checked out by thread')).toBe(3)
    expect(count('being returned by thread')).toBe(3)
  })
})
