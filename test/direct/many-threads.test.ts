import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { OwnServer, roads } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

const threads = 5
const connections = 2

/** Notifications to all who listen, one after another, until the test has ended. */
function gossip(): { readonly told: () => number } {
  let isOver = false
  let told = 0
  const work = async (): Promise<void> => {
    for (; !isOver; told++) await own.view.query("select pg_notify('gossip', repeat('x', 7000))")
  }
  const done = work()
  onTestFinished(() => {
    isOver = true
    return done
  })
  return { told: () => told }
}

describe.each(roads)(`${threads} threads over ${connections} connections, over %s,`, road => {
  it('get the answers to their own questions, whatever size these have, while the idle connections are told things', async () => {
    const pool = own.pool(road, { poolSize: connections })
    // Each session is told what nobody in any thread asks for.
    pool.on('connect', client => client.query('listen gossip'))
    const { told } = gossip()
    const workers = Array.from({ length: threads }, () => startWorker())
    const seen = await Promise.all(
      workers.map((worker, index) =>
        worker.run(
          async ({ attach }, me, isFirst) => {
            const pool = await attach<Client>()
            let asked = 0
            let wrong = 0
            const check = (isRight: boolean): void => {
              asked++
              if (!isRight) wrong++
            }
            const rows = async (conn: { query: Client['query'] }, count: number): Promise<void> => {
              const tag = `${me} ${asked} ${Math.random()}`
              const text = 'select $1::text as tag, n from generate_series(1, $2::int) n'
              const result = await conn.query<{ tag: string; n: number }>(text, [tag, count])
              check(result.rows.length === count && result.rows.every((row, i) => row.tag === tag && row.n === i + 1))
            }
            const big = async (conn: { query: Client['query'] }): Promise<void> => {
              const tag = `${me} ${asked} ${Math.random()}`
              const result = await conn.query<{ big: string }>("select repeat('x', 200000) || $1 as big", [tag])
              check(result.rows[0]!.big === 'x'.repeat(200_000) + tag)
            }
            const task = async (number: number): Promise<void> => {
              for (let round = 0; round < 20; round++) {
                const conn = await pool.connect()
                // Every third one is given back as it came, and then is not to be read from here.
                if ((round + number) % 3 !== 0) await rows(conn, round % 2 === 0 ? 1 : 200)
                if (round % 10 === 7) await big(conn)
                if (round === 15 && number === 0 && isFirst) await rows(conn, 100_000)
                // Several at once, and the close before the last answer.
                const both = round % 5 === 4 ? [rows(conn, 3), rows(conn, 300)] : []
                await conn.close()
                await Promise.all(both)
              }
            }
            await Promise.all([task(0), task(1)])
            return { asked, wrong }
          },
          worker.threadId,
          index < 2,
        ),
      ),
    )
    expect(seen.map(({ wrong }) => wrong)).toEqual(Array(threads).fill(0))
    for (const { asked } of seen) expect(asked).toBeGreaterThan(40)
    expect(pool.status().transports.map(({ transport }) => transport)).toEqual(Array(threads).fill('direct'))
    expect(told()).toBeGreaterThan(10)
    await eventually(() => own.view.pids()).toHaveLength(connections)
    expect(pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })
})
