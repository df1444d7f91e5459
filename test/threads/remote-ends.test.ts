import { describe, expect, it } from 'vitest'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { poolWarnings } from '../support/pool-warnings.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

function toyPool(options: PoolOptions<ToyConnection> = {}): {
  readonly pool: QueuePool<ToyConnection>
  readonly made: ToyConnection[]
} {
  const { creator, made } = toyCreator()
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  return { pool: openPool({ creator, poolSize: 1, maxOverflow: 0, logger: silent, ...options }), made }
}

describe('a closed fairy in a worker', () => {
  it('refuses every call at once, and may be closed again: that does nothing (130, 132)', async () => {
    const { pool, made } = toyPool()
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach()
      const toy = (await pool.connect()) as RemoteToy
      await toy.close()
      await toy.close()
      const other = (await pool.connect()) as RemoteToy
      await toy.close()
      await Promise.all([toy.close(), toy.close()])
      const call = await failureOf(() => toy.whoami!())
      const cursor = await failureOf(async () => {
        for await (const _ of toy.cursor('x'));
      })
      await toy.detach()
      const facts = [toy.isValid, toy.info, toy.recordInfo, toy.connection]
      const rest = { call, cursor, facts, other: (await other.whoami!()) as unknown, valid: other.isValid }
      await other.close()
      return rest
    })
    expect(seen).toMatchObject({
      call: { class: 'InvalidRequestError', message: expect.stringContaining('closed') },
      cursor: { class: 'InvalidRequestError' },
      facts: [false, undefined, undefined, undefined],
      other: 1,
      valid: true,
    })
    await eventually(() => pool.status().checkedout).toBe(0)
    expect(made[0]!.log).toEqual(['rollback', 'rollback'])
  })

  it('comes home once, however many tasks close it at the same time', async () => {
    const { pool } = toyPool()
    let checkins = 0
    pool.on('checkin', () => {
      checkins++
    })
    await startWorker().run(async ({ attach }) => {
      const toy = await (await attach()).connect()
      await Promise.all([toy.close(), toy.close(), toy.close()])
    })
    expect(checkins).toBe(1)
  })
})

describe('a close while a call is in flight', () => {
  it('lets the call finish and its result arrive, warns once, and lends the connection to nobody before', async () => {
    const { pool, made } = toyPool()
    const warnings = poolWarnings()
    const worker = startWorker()
    const done = worker.run(async ({ attach, say }) => {
      const pool = await attach()
      for (let round = 1; round <= 2; round++) {
        const toy = (await pool.connect()) as RemoteToy
        const call = toy.hold!()
        await toy.close()
        const next = pool.connect()
        say('closed')
        const outcome: unknown = await call
        await (await next).close()
        if (outcome !== 'let go') return outcome
      }
      return 'let go twice'
    })
    for (let round = 1; round <= 2; round++) {
      await worker.hear()
      await eventually(() => pool.status().waiting).toBe(1)
      expect(pool.status().checkedout).toBe(1)
      expect(made[0]!.log.length).toBe(2 * (round - 1))
      made[0]!.letGo()
    }
    expect(await done).toBe('let go twice')
    expect(made).toHaveLength(1)
    expect(await warnings.soFar()).toMatchObject([{ code: 'FAIRYPOOL_CALL_IN_FLIGHT' }])
  })

  it('cuts off a call that does not end within closeTimeoutMs: its caller is told, the connection is replaced', async () => {
    const { pool, made } = toyPool({ closeTimeoutMs: 20 })
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach()
      const toy = (await pool.connect()) as RemoteToy
      const call = failureOf(() => toy.hang!())
      await toy.close()
      const next = (await pool.connect()) as RemoteToy
      const rest = { call: await call, next: (await next.whoami!()) as unknown }
      await next.close()
      return rest
    })
    expect(seen).toMatchObject({ call: { class: 'InvalidRequestError' }, next: 2 })
    expect(made.map(each => each.state)).toEqual(['closed', 'open'])
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('is an invalidation that cuts the call off at once', async () => {
    toyPool()
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const toy = (await (await attach()).connect()) as RemoteToy
      const call = failureOf(() => toy.hang!())
      await toy.invalidate()
      return call
    })
    expect(seen).toMatchObject({ class: 'InvalidRequestError', message: expect.stringContaining('in flight') })
  })
})

describe('fairies of a worker whose coordinator shares no more', () => {
  it('fail with CoordinatorLostError everywhere, nothing hangs, and the worker ends by itself', async () => {
    const { pool, made } = toyPool({ poolSize: 2 })
    const worker = startWorker()
    const lost = worker.run(async ({ attach, failureOf, keep, say }) => {
      const pool = keep('pool', await attach())
      const [toy, idle] = (await Promise.all([pool.connect(), pool.connect()])) as [RemoteToy, RemoteToy]
      keep('toy', toy)
      const handle = keep('handle', (await idle.prepare!('x')) as RemoteToy)
      const rows = (await toy.rows!(2)) as RemoteToy
      const iterator = rows[Symbol.asyncIterator]()
      await iterator.next()
      const pending = [() => toy.hold!(), () => pool.connect(), () => toy.hang!()].map(failureOf)
      // The answer to this one tells that all before it have arrived.
      await idle.whoami!()
      say('ready')
      const settled = await Promise.all(pending)
      const later = [
        () => toy.whoami!(),
        () => handle.run!(),
        () => iterator.next(),
        () => pool.connect(),
        () => pool.uniqueConnection(),
        () => pool.use(() => 1),
        () => pool.status(),
        () => pool.dispose(),
        () => pool.invalidate(),
        () => toy.cursor('x').next(),
      ].map(failureOf)
      return {
        settled,
        later: await Promise.all(later),
        valid: [toy.isValid, idle.isValid],
        isAttached: pool.isAttached,
      }
    })
    await worker.hear()
    expect(pool.status()).toMatchObject({ checkedout: 2, waiting: 1 })
    pool.unshare()
    const seen = await lost
    for (const failure of [...seen.settled, ...seen.later]) {
      expect(failure).toMatchObject({ class: 'CoordinatorLostError', code: 'FAIRYPOOL_COORDINATOR_LOST' })
    }
    expect(seen).toMatchObject({ valid: [false, false], isAttached: false })
    // Their ends have nothing left to do, and say nothing.
    await worker.run(async ({ kept, warnings }) => {
      await kept<RemoteToy>('toy').close()
      await kept<RemoteToy>('toy')[Symbol.asyncDispose]()
      if (warnings.length > 0) throw new Error(warnings[0]!.message)
    })
    worker.release()
    expect(await worker.exited).toBe(0)
    // To the pool they died: closed, never to be lent again.
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
    expect(made.map(each => each.state)).toEqual(['closed', 'closed'])
  })

  it('fail with CoordinatorLostError in the control plane too, for calls that are under way', async () => {
    const { pool } = toyPool()
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => void (await keep('pool', await attach()).status()))
    const done = worker.run(async ({ kept, failureOf, say }) => {
      const call = failureOf(() => kept<PoolClient>('pool').status())
      say('asked')
      return call
    })
    // The word and the question are in two ports' queues here; neither has been read.
    const heard = worker.hear()
    const asked = performance.now()
    while (performance.now() - asked < 20);
    pool.unshare()
    await heard
    expect(await done).toMatchObject({ class: 'CoordinatorLostError' })
  })

  it('let an idle worker end by itself while the pool is still shared', async () => {
    toyPool()
    const worker = startWorker()
    await worker.run(async ({ attach }) => {
      const pool = await attach()
      await pool.use(toy => (toy as RemoteToy).whoami!())
      await pool.status()
    })
    worker.release()
    expect(await worker.exited).toBe(0)
  })
})
