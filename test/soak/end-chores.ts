import type { Client } from 'pg'
import type { Fairy } from '../../src/fairies/fairy.ts'
import { ask } from './fairy-chores.ts'
import { type Chore, type Scene, WrongAnswer } from './scene.ts'

/** What is asked of a fairy that is closed is refused. */
async function mustBeClosed(scene: Scene, conn: Fairy<Client>): Promise<void> {
  try {
    await conn.query('select 1')
  } catch (error) {
    return scene.forgive(error, ['closed'])
  }
  throw new WrongAnswer(`${scene.id} was answered by a closed connection`)
}

/** The ends of loans that are not a close after the last answer. */
export const endChores: readonly Chore[] = [
  {
    name: 'forgotten',
    weight: 2,
    async run(scene) {
      const conn = await scene.pool.connect()
      await ask(scene, conn, scene.id)
      if (scene.random.chance(0.3)) await conn.query('begin')
      // Nobody closes it: it comes home when it is collected.
    },
  },
  {
    name: 'forgotten in flight',
    weight: 1,
    async run(scene) {
      const conn = await scene.pool.connect()
      const text = 'select $1::bigint as id, pg_sleep($2)'
      const asked = conn.query(text, [scene.id, scene.random.next() / 20])
      const answer = await scene.forgiving(asked, 'closed')
      if (answer) scene.same(answer.rows[0].id, `${scene.id}`)
    },
  },
  {
    name: 'impatient',
    weight: 16,
    async run(scene) {
      const timeoutMs = scene.random.below(6)
      await scene.forgiving(scene.lent(conn => ask(scene, conn, scene.id), { timeoutMs }))
    },
  },
  {
    name: 'leaving',
    weight: 16,
    async run(scene) {
      const signal = scene.leaving(10)
      await scene.forgiving(
        scene.lent(conn => ask(scene, conn, scene.id), { signal }),
        'left',
      )
    },
  },
  {
    name: 'close in flight',
    weight: 4,
    async run(scene) {
      const conn = await scene.pool.connect()
      const seconds = scene.random.chance(0.05) ? 2 : scene.random.next() / 50
      const asked = conn.query('select $1::bigint as id, pg_sleep($2)', [scene.id, seconds])
      const [answer] = await Promise.all([
        scene.forgiving(asked, 'closed', 'cancelled'),
        conn.close(),
        scene.random.chance(0.3) ? conn.close() : undefined,
      ])
      if (answer) scene.same(answer.rows[0].id, `${scene.id}`)
      await mustBeClosed(scene, conn)
    },
  },
  {
    name: 'invalidate',
    weight: 2,
    async run(scene) {
      const conn = await scene.pool.connect()
      const text = 'select $1::bigint as id, pg_sleep($2)'
      const asked = scene.random.chance(0.5) ? conn.query(text, [scene.id, scene.random.next() / 50]) : undefined
      const [answer] = await Promise.all([
        asked && scene.forgiving(asked, 'closed', 'lost', 'cancelled'),
        conn.invalidate(new Error('a soak invalidates')),
      ])
      if (answer) scene.same(answer.rows[0].id, `${scene.id}`)
      await mustBeClosed(scene, conn)
      await conn.close()
    },
  },
  {
    name: 'soft invalidate',
    weight: 2,
    run: scene =>
      scene.lent(async conn => {
        await conn.invalidate(undefined, { soft: true })
        await ask(scene, conn, scene.id)
      }),
  },
  {
    name: 'detach',
    weight: 1,
    run: scene =>
      scene.lent(async conn => {
        await conn.detach()
        await ask(scene, conn, scene.id)
      }),
  },
]
