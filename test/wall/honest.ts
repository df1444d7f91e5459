import { setImmediate as turn } from 'node:timers/promises'
import type { Client } from 'pg'
import { attach } from '../../src/worker/attach.ts'

/** What an honest thread has seen. */
export interface Seen {
  readonly done: number
  readonly wrong: readonly unknown[]
  readonly failures: readonly string[]
  /** The longest that one piece of work took, in milliseconds, and the one in the middle. */
  readonly longestMs: number
  readonly medianMs: number
}

/** Works over a pool until told to stop by a word of shared memory, and checks every answer: each is the one that it asked for. */
export async function workHonestly(name: string, stop: Int32Array): Promise<Seen> {
  const pool = await attach<Client>()
  const wrong: unknown[] = []
  const failures: string[] = []
  const times: number[] = []
  const pieces: readonly ((mine: string) => Promise<readonly unknown[]>)[] = [
    mine => pool.use(async conn => (await conn.query('select $1::text as mine', [mine])).rows),
    async mine => (await pool.query<{ rows: unknown[] }>('select $1::text as mine', [mine])).rows,
    mine =>
      pool.use(async conn => {
        await conn.query('begin')
        const { rows } = await conn.query('select $1::text as mine', [mine])
        await conn.query('commit')
        return rows
      }),
    mine =>
      pool.use(async conn => {
        const many = await conn.query('select $1::text as mine, n, n as m, n as k from generate_series(1, 20) n', [
          mine,
        ])
        return [{ mine: many.rows.every(row => row.mine === mine) && many.rows.length === 20 ? mine : 'a mixture' }]
      }),
  ]
  const task = async (number: number): Promise<void> => {
    for (let i = 0; Atomics.load(stop, 0) === 0; i++) {
      const mine = `${name} ${number} ${i}`
      const from = performance.now()
      try {
        const rows = await pieces[i % pieces.length]!(mine)
        if (JSON.stringify(rows) !== JSON.stringify([{ mine }])) wrong.push([mine, rows])
      } catch (error) {
        failures.push(`${(error as Error).name}: ${(error as Error).message}`)
      }
      times.push(performance.now() - from)
      await turn()
    }
  }
  await Promise.all([1, 2, 3].map(task))
  times.sort((a, b) => a - b)
  const medianMs = times[Math.floor(times.length / 2)] ?? 0
  return { done: times.length, wrong, failures, longestMs: times.at(-1) ?? 0, medianMs }
}
