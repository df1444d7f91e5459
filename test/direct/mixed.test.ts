import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { OwnServer, roads } from '../support/own-server.ts'
import { withoutDescriptors, withoutDriver } from '../support/poor-threads.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

const own = OwnServer.forThisFile()

const rounds = 40

/** A thread that asks and checks, two tasks at a time: how many answers were wrong. */
const ask = (worker: TestWorker): Promise<{ wrong: number; direct: number }> =>
  worker.run(
    async ({ attach }, me, rounds) => {
      const pool = await attach<Client>()
      let wrong = 0
      let direct = 0
      const task = async (task: number): Promise<void> => {
        for (let round = 0; round < rounds; round++) {
          const tag = `${me} ${task} ${round}`
          const conn = await pool.connect()
          if (round % 7 === 6) await conn.query('begin')
          if (round % 3 !== 2) {
            const text = 'select $1::text as tag from generate_series(1, $2::int)'
            const { rows } = await conn.query<{ tag: string }>(text, [tag, round % 2 === 0 ? 1 : 2000])
            if (rows.length === 0 || rows.some(row => row.tag !== tag)) wrong++
          }
          if (conn.connection !== undefined) direct++
          await conn.close()
        }
      }
      await Promise.all([task(0), task(1)])
      return { wrong, direct }
    },
    worker.threadId,
    rounds,
  )

describe.each(roads)('one connection, over %s,', road => {
  it.each([1, 2])(
    'and threads of all kinds, and the coordinator itself: each gets its own answers (of %i)',
    async poolSize => {
      const pool = own.pool(road, { poolSize })
      const [direct, other, noDescriptors, noDriver] = Array.from({ length: 4 }, () => startWorker())
      await withoutDescriptors(noDescriptors!)
      await withoutDriver(noDriver!)
      const here = async (): Promise<number> => {
        let wrong = 0
        for (let round = 0; round < rounds; round++) {
          const conn = await pool.connect()
          const { rows } = await conn.query<{ tag: string }>('select $1::text as tag', [`here ${round}`])
          if (rows[0]?.tag !== `here ${round}`) wrong++
          await conn.close()
        }
        return wrong
      }
      const [mine, ...theirs] = await Promise.all([
        here(),
        ask(direct!),
        ask(other!),
        ask(noDescriptors!),
        ask(noDriver!),
      ])
      expect([mine, ...theirs.map(({ wrong }) => wrong)]).toEqual([0, 0, 0, 0, 0])
      expect(theirs.map(each => each.direct)).toEqual([2 * rounds, 2 * rounds, 0, 0])
      await eventually(() => own.view.pids()).toHaveLength(poolSize)
    },
  )
})
