import { randomFillSync } from 'node:crypto'
import type { Client } from 'pg'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { Chore, Scene } from './scene.ts'

/** The answer to a query must carry the id with which it was asked. */
export async function ask(scene: Scene, conn: Fairy<Client>, id: number): Promise<void> {
  const { rows } = await conn.query('select $1::bigint as id, $2::text as word', [id, `word ${id}`])
  scene.same(rows, [{ id: `${id}`, word: `word ${id}` }])
}

/** Keeps the thread's loop from turning. */
export function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** What is asked for is wrong only in the second half: an error comes back, and the connection is as good as before. */
const failing = 'select ($1::text)::int'

export const fairyChores: readonly Chore[] = [
  {
    name: 'one row',
    weight: 80,
    run: scene => scene.lent(conn => ask(scene, conn, scene.id)),
  },
  {
    name: 'several queries',
    weight: 20,
    run: scene =>
      scene.lent(async conn => {
        const ids = Array.from({ length: 1 + scene.random.below(6) }, (_, n) => scene.id + n)
        await Promise.all(ids.map(id => ask(scene, conn, id)))
      }),
  },
  {
    name: 'many rows',
    weight: 16,
    run: scene =>
      scene.lent(async conn => {
        const count = scene.random.below(scene.random.chance(0.1) ? 3000 : 200)
        const text = 'select $1::bigint + n as id, n, null as nothing from generate_series(1, $2::int) as n'
        const { rows } = await conn.query(text, [scene.id, count])
        scene.same(rows.length, count)
        for (let n = 1; n <= count; n++) scene.same(rows[n - 1], { id: `${scene.id + n}`, n, nothing: null })
      }),
  },
  {
    name: 'bytes',
    weight: 12,
    run: scene =>
      scene.lent(async conn => {
        const bytes = randomFillSync(Buffer.alloc(scene.random.below(scene.random.chance(0.1) ? 300_000 : 2000)))
        const { rows } = await conn.query('select $1::bigint as id, $2::bytea as bytes', [scene.id, bytes])
        const { id, bytes: got } = rows[0] as { id: string; bytes: Uint8Array }
        scene.same([id, got.length, bytes.equals(got)], [`${scene.id}`, bytes.length, true])
      }),
  },
  {
    name: 'prepared',
    weight: 24,
    run: scene =>
      scene.lent(async conn => {
        const which = scene.random.below(5)
        const query = { name: `soak ${which}`, text: `select $1::bigint as id, ${which} as which`, values: [scene.id] }
        for (let time = 0; time < 2; time++) {
          scene.same((await conn.query(query)).rows, [{ id: `${scene.id}`, which }])
        }
      }),
  },
  {
    name: 'failing query',
    weight: 5,
    run: scene =>
      scene.lent(async conn => {
        const failure = await conn.query(failing, [`no ${scene.id}`]).catch((error: unknown) => error)
        if ((failure as { code?: unknown }).code !== '22P02') throw failure
        scene.same((failure as Error).message, `invalid input syntax for type integer: "no ${scene.id}"`)
        await ask(scene, conn, scene.id)
      }),
  },
  {
    name: 'cursor',
    weight: 16,
    run: scene =>
      scene.lent(async conn => {
        const { random, id } = scene
        const [count, batchSize] = [random.below(60), 1 + random.below(20)]
        const stopAt = random.chance(0.5) ? random.below(60) : count
        const text = 'select $1::bigint + n as id from generate_series(1, $2::int) as n'
        const cursor = conn.cursor<{ id: string }>(text, [id, count], { batchSize })
        let seen = 0
        while (seen < stopAt) {
          const { done, value } = await cursor.next()
          if (done) break
          scene.same(value, { id: `${id + ++seen}` })
        }
        scene.same(seen, Math.min(count, stopAt))
        // Else it is left to the close of its fairy.
        if (random.chance(0.5)) {
          await cursor.close()
          await ask(scene, conn, id)
        }
      }),
  },
  {
    name: 'listen',
    weight: 2,
    run: scene =>
      scene.lent(async conn => {
        const heard: unknown[] = []
        const hear = (message: { readonly payload?: string | undefined }): void => void heard.push(message.payload)
        // Where the driver runs in another thread, nobody hears it here.
        const client = conn.connection
        client?.on('notification', hear)
        try {
          await conn.query(`listen soak_${scene.id}`)
          await conn.query('select pg_notify($1, $2)', [`soak_${scene.id}`, `for ${scene.id}`])
          await conn.query('unlisten *')
          await ask(scene, conn, scene.id)
        } finally {
          client?.off('notification', hear)
        }
        if (client) scene.same(heard, [`for ${scene.id}`])
      }),
  },
  {
    name: 'block',
    weight: 2,
    async run(scene) {
      if (scene.random.chance(0.5)) return block(scene.random.below(40))
      await scene.lent(async conn => {
        const asked = ask(scene, conn, scene.id)
        block(scene.random.below(40))
        await asked
      })
    },
  },
]
