import type { QueryResult } from 'pg'
import type { Chore, Scene } from './scene.ts'
import { idsEach } from './scene.ts'

type Rows = QueryResult<Record<string, unknown>>

/** One statement over the connections that all share, by an id of its own. */
async function statement(scene: Scene, id: number): Promise<void> {
  const { pool, random, tally } = scene
  tally.add('statements')
  const kind = random.below(20)
  if (kind === 0) return fails(scene, id)
  if (kind === 1) {
    const asked = pool.query<Rows>('select $1::bigint as id, pg_sleep($2)', [id, random.next() / 30])
    return scene.same((await asked).rows[0]!.id, `${id}`)
  }
  if (kind === 2) {
    const options = { timeoutMs: random.below(30) }
    const answer = await scene.forgiving(
      pool.query<Rows>('select $1::bigint as id, pg_sleep($2)', [id, random.next() / 10], options),
      'late',
    )
    return answer && scene.same(answer.rows[0]!.id, `${id}`)
  }
  if (kind === 3) {
    const options = { signal: scene.leaving(30) }
    const text = random.chance(0.5) ? 'select $1::bigint as id' : 'select $1::bigint as id, pg_sleep(0.02)'
    const answer = await scene.forgiving(pool.query<Rows>(text, [id], options), 'left')
    return answer && scene.same(answer.rows[0]!.id, `${id}`)
  }
  if (kind === 4) {
    const text = 'select $1::bigint as id, n, repeat($2, n) as word from generate_series(1, 40) as n'
    const { rows } = await pool.query<Rows>(text, [id, 'x'])
    const expected = Array.from({ length: 40 }, (_, n) => ({ id: `${id}`, n: n + 1, word: 'x'.repeat(n + 1) }))
    return scene.same(rows, expected)
  }
  const texts = ['select $1::bigint as id', `select $1::bigint as id, ${kind} as kind`]
  const { rows } = await pool.query<Rows>(random.pick(texts), [id])
  scene.same(rows[0]!.id, `${id}`)
}

/** The error is that of this statement, and that of no other. */
async function fails(scene: Scene, id: number): Promise<void> {
  const failure = await scene.pool.query('select ($1::text)::int', [`no ${id}`]).catch((error: unknown) => error)
  if ((failure as { code?: unknown } | undefined)?.code !== '22P02') throw failure
  scene.same((failure as Error).message, `invalid input syntax for type integer: "no ${id}"`)
}

export const statementChores: readonly Chore[] = [
  {
    name: 'burst',
    weight: 40,
    async run(scene) {
      const size = 1 + scene.random.below(scene.random.chance(0.1) ? idsEach : 12)
      const asked = Array.from({ length: size }, (_, n) => scene.forgiving(statement(scene, scene.id + n)))
      // All have an end before the first failure is told.
      await Promise.allSettled(asked)
      await Promise.all(asked)
    },
  },
]
