import { expect, it } from 'vitest'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import { type ToyConnection, ToyStatement, toyCreator } from '../support/toy-driver.ts'

function toyPool(): { readonly pool: QueuePool<ToyConnection>; readonly made: ToyConnection[] } {
  const { creator, made } = toyCreator()
  return { pool: openPool({ creator, poolSize: 1, maxOverflow: 0 }), made }
}

it('a result with methods stays on the coordinator, and its methods are called there', async () => {
  toyPool()
  const seen = await startWorker().run(async ({ attach }) => {
    const toy = (await (await attach()).connect()) as RemoteToy
    const statement = (await toy.prepare!('select 1')) as RemoteToy
    const first: unknown = await statement.run!(1n, Buffer.from('x'))
    const second: unknown = await statement.run!()
    const other = (await statement.other!('select 2')) as RemoteToy
    const third: unknown = await other.run!()
    return { first, second, third, isPlain: Object.keys(statement), awaited: (await statement) === statement }
  })
  expect(seen).toMatchObject({
    first: { text: 'select 1', runs: 1, args: [1n, new Uint8Array([120])] },
    second: { runs: 2 },
    third: { text: 'select 1, select 2', runs: 1 },
    awaited: true,
  })
})

it('a result that only the serializer knows to be no clone becomes a handle too, and harms no call beside it', async () => {
  const { pool } = toyPool()
  pool.on('connect', connection => {
    Object.assign(connection, {
      nested: async () => ({ statement: new WeakMap(), list: () => 'listed' }),
      both: async () => ({ map: new WeakMap() }),
    })
  })
  const seen = await startWorker().run(async ({ attach, failureOf }) => {
    const toy = (await (await attach()).connect()) as RemoteToy
    const [one, nested, both, two] = await Promise.all([toy.whoami!(), toy.nested!(), toy.both!(), toy.whoami!()])
    const listed: unknown = await (nested as RemoteToy).list!()
    return { one, two, listed, none: await failureOf(() => (both as RemoteToy).anything!()) }
  })
  expect(seen).toMatchObject({ one: 1, two: 1, listed: 'listed', none: { class: 'MethodNotAllowedError' } })
})

it('a handle of a stream is read by `for await`, and left early it is told so', async () => {
  const { made } = toyPool()
  const seen = await startWorker().run(async ({ attach }) => {
    const toy = (await (await attach()).connect()) as RemoteToy
    const rows: unknown[] = []
    for await (const row of (await toy.rows!(3)) as RemoteToy) rows.push(row)
    for await (const row of (await toy.rows!(1_000_000)) as RemoteToy) {
      rows.push(row)
      if (rows.length === 5) break
    }
    for await (const left of (await toy.countdown!(9)) as RemoteToy) {
      rows.push(left)
      break
    }
    return rows
  })
  expect(seen).toEqual([{ row: 1 }, { row: 2 }, { row: 3 }, { row: 1 }, { row: 2 }, 9])
  expect(made[0]!.log).toEqual(['returned', 'returned'])
})

it('items that can not travel fail the `for await`; it does not just end', async () => {
  toyPool()
  const failure = await startWorker().run(async ({ attach, failureOf }) => {
    const toy = (await (await attach()).connect()) as RemoteToy
    return failureOf(async () => {
      for await (const _ of (await toy.functions!()) as RemoteToy);
    })
  })
  expect(failure).toMatchObject({ class: 'NotClonableError' })
})

it('calls of a handle fail with StaleLeaseError once its lease has ended, and touch nobody else', async () => {
  const { made } = toyPool()
  const failures = await startWorker().run(async ({ attach, failureOf }) => {
    const pool = await attach()
    const toy = (await pool.connect()) as RemoteToy
    const statement = (await toy.prepare!('old')) as RemoteToy
    const rows = (await toy.rows!(3)) as RemoteToy
    await toy.close()
    const next = (await pool.connect()) as RemoteToy
    const newer = (await next.prepare!('new')) as RemoteToy
    const stale = await failureOf(() => statement.run!())
    const reading = await failureOf(async () => {
      for await (const _ of rows);
    })
    return { stale, reading, newer: (await newer.run!()) as unknown }
  })
  expect(failures.stale).toMatchObject({ class: 'StaleLeaseError', code: 'FAIRYPOOL_STALE_LEASE' })
  expect(failures.reading).toMatchObject({ class: 'StaleLeaseError' })
  expect(failures.newer).toMatchObject({ text: 'new', runs: 1 })
  expect(made).toHaveLength(1)
})

it('a handle that is dropped is forgotten on the coordinator', async () => {
  const { pool } = toyPool()
  const statements: WeakRef<ToyStatement>[] = []
  pool.on('connect', connection => {
    Object.assign(connection, {
      prepare: (text: string) => {
        const statement = new ToyStatement(text)
        statements.push(new WeakRef(statement))
        return statement
      },
    })
  })
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => {
    const toy = keep('toy', (await (await attach()).connect()) as RemoteToy)
    await toy.prepare!('dropped')
    keep('statement', (await toy.prepare!('kept')) as RemoteToy)
  })
  await eventually(async () => {
    await worker.run(({ collect }) => collect())
    globalThis.gc!()
    return statements.map(ref => ref.deref()?.text)
  }).toEqual([undefined, 'kept'])
  const kept = await worker.run(async ({ kept }) => (await kept<RemoteToy>('statement').run!()) as { text: string })
  expect(kept.text).toBe('kept')
})
