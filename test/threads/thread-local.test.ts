import { describe, expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { LeaseWatch } from '../support/lease-watch.ts'
import { openPool } from '../support/open-pool.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import { ToyConnection, toyCreator } from '../support/toy-driver.ts'

function localPool(options: PoolOptions<ToyConnection> = {}): QueuePool<ToyConnection> {
  return openPool({ creator: toyCreator().creator, poolSize: 2, maxOverflow: 0, useThreadlocal: true, ...options })
}

/** A creator that opens when it is told to. */
function gatedCreator() {
  const gates: { readonly open: () => void; readonly fail: (error: Error) => void }[] = []
  const creator = (): Promise<ToyConnection> =>
    new Promise((resolve, reject) => {
      const number = gates.length + 1
      gates.push({ open: () => resolve(new ToyConnection(number)), fail: reject })
    })
  return { creator, gates }
}

describe('nested checkouts in a worker, with useThreadlocal', () => {
  it('share one fairy; the outermost close returns it; checkout and checkin happen once (191, 194)', async () => {
    const pool = localPool()
    const events: string[] = []
    pool.on('checkout', () => events.push('checkout'))
    pool.on('checkin', () => events.push('checkin'))
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach()
      const outer = await pool.connect()
      const inner = await pool.connect()
      const third = pool.use(fairy => fairy === outer)
      const same = [inner === outer, await third]
      await inner.close()
      const valid = [outer.isValid]
      const out = (await pool.status()).checkedout
      await outer.close()
      valid.push(outer.isValid)
      const next = await pool.connect()
      await next.close()
      return { same, valid, out, isNew: next !== outer }
    })
    expect(seen).toEqual({ same: [true, true], valid: [true, false], out: 1, isNew: true })
    expect(events).toEqual(['checkout', 'checkin', 'checkout', 'checkin'])
  })

  it('count closes, not holders: open, open, close, open, close leaves it out (193)', async () => {
    const pool = localPool()
    const valid = await startWorker().run(async ({ attach }) => {
      const pool = await attach()
      const fairy = await pool.connect()
      await pool.connect()
      await fairy.close()
      await pool.connect()
      await fairy.close()
      const valid = [fairy.isValid]
      await fairy.close()
      return [...valid, fairy.isValid]
    })
    expect(valid).toEqual([true, false])
    await eventually(() => pool.status().checkedout).toBe(0)
  })

  it('are per thread: two workers and the coordinator have one each', async () => {
    const pool = localPool({ poolSize: 3 })
    const number = async (pool: PoolClient | QueuePool<ToyConnection>) =>
      ((await pool.connect()) as RemoteToy).whoami!()
    const numbers: unknown[] = [await number(pool), await number(pool)]
    for (const worker of [startWorker(), startWorker()]) {
      numbers.push(
        await worker.run(async ({ attach, keep }) => {
          const toy = keep('toy', (await (await attach()).connect()) as RemoteToy)
          return (await toy.whoami!()) as number
        }),
      )
    }
    expect(numbers).toEqual([1, 1, 2, 3])
    expect(pool.status().checkedout).toBe(3)
  })

  it('hold the fairy weakly: one that was dropped is not found again, and comes home (192)', async () => {
    const pool = localPool()
    const watch = new LeaseWatch(pool)
    const worker = startWorker()
    await worker.run(async ({ attach }) => void (await (await attach()).connect()))
    await eventually(async () => {
      await worker.run(({ collect }) => collect())
      return watch.reasons
    }).toEqual(['collected'])
    const number = await worker.run(async ({ attach }) => {
      const toy = (await (await attach()).connect()) as RemoteToy
      const number = (await toy.whoami!()) as number
      await toy.close()
      return number
    })
    expect(number).toBe(1)
    await eventually(() => watch.reasons).toEqual(['collected', 'closed'])
  })

  it('end at once by a hard invalidation, whatever the depth; the closes that are left do nothing (138, 198)', async () => {
    const pool = localPool()
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach()
      const outer = await pool.connect()
      const inner = await pool.connect()
      await inner.invalidate()
      const next = (await pool.connect()) as RemoteToy
      await outer.close()
      await inner.close()
      return { outer: outer.isValid, next: next.isValid, isNew: next !== outer, same: (await pool.connect()) === next }
    })
    expect(seen).toEqual({ outer: false, next: true, isNew: true, same: true })
    expect(pool.status().checkedout).toBe(1)
  })

  it('share a softly invalidated connection until the outermost close; then it is replaced (199)', async () => {
    localPool({ poolSize: 1 })
    const numbers = await startWorker().run(async ({ attach }) => {
      const pool = await attach()
      const outer = (await pool.connect()) as RemoteToy
      await outer.invalidate(undefined, { soft: true })
      const inner = (await pool.connect()) as RemoteToy
      const numbers = [inner === outer, (await inner.whoami!()) as number]
      await inner.close()
      await outer.close()
      const next = (await pool.connect()) as RemoteToy
      return [...numbers, (await next.whoami!()) as number]
    })
    expect(numbers).toEqual([true, 1, 2])
  })

  it('begin anew after a detach, and end with their own fairy whoever closes (200, 203: clearing by identity)', async () => {
    const pool = localPool()
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach()
      const detached = (await pool.connect()) as RemoteToy
      await detached.detach()
      const next = (await pool.connect()) as RemoteToy
      const numbers = [(await detached.whoami!()) as number, (await next.whoami!()) as number]
      await detached.close()
      return { numbers, same: (await pool.connect()) === next, valid: [detached.isValid, next.isValid] }
    })
    expect(seen).toEqual({ numbers: [1, 2], same: true, valid: [false, true] })
    expect(pool.status().checkedout).toBe(1)
  })

  it('are bypassed by uniqueConnection(), whose close leaves them alone (18, 197, 203)', async () => {
    localPool()
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach()
      const local = await pool.connect()
      const unique = await pool.uniqueConnection()
      const differs = unique !== local
      await unique.close()
      const second = await pool.uniqueConnection()
      return { differs, same: (await pool.connect()) === local, again: second !== local && second !== unique }
    })
    expect(seen).toEqual({ differs: true, same: true, again: true })
  })

  it('survive recreate() (201)', async () => {
    const again = localPool().recreate()
    const fairies = [await again.connect(), await again.connect()]
    expect(fairies[0]).toBe(fairies[1])
    for (const fairy of fairies) await fairy.close()
    await again.dispose()
  })
})

describe('a nested checkout while the first is still under way', () => {
  it('joins it: one connection is opened, all get the same fairy, all must close it', async () => {
    const { creator, gates } = gatedCreator()
    const pool = localPool({ creator })
    const worker = startWorker()
    const done = worker.run(async ({ attach }) => {
      const pool = await attach()
      const fairies = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
      const valid = []
      for (const fairy of fairies) {
        await fairy.close()
        valid.push(fairy.isValid)
      }
      return { different: new Set(fairies).size, valid }
    })
    await eventually(() => gates.length).toBe(1)
    gates[0]!.open()
    expect(await done).toEqual({ different: 1, valid: [true, true, false] })
    expect(gates).toHaveLength(1)
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('fails with it, for all who have joined; the next begins anew', async () => {
    const { creator, gates } = gatedCreator()
    const pool = localPool({ creator })
    const worker = startWorker()
    const done = worker.run(async ({ attach, failureOf }) => {
      const pool = await attach()
      const failures = await Promise.all([1, 2, 3].map(() => failureOf(() => pool.connect())))
      const toy = await pool.connect()
      await toy.close()
      return failures
    })
    await eventually(() => gates.length).toBe(1)
    gates[0]!.fail(new RangeError('no way'))
    await eventually(() => gates.length).toBe(2)
    gates[1]!.open()
    expect(await done).toMatchObject(Array(3).fill({ class: 'RangeError', message: 'no way' }))
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })

  it('ends for one who has joined by its own deadline or signal, and for nobody else', async () => {
    const { creator, gates } = gatedCreator()
    const pool = localPool({ creator })
    const worker = startWorker()
    const done = worker.run(async ({ attach, failureOf, say, keep }) => {
      const pool = await attach()
      const beginner = pool.connect()
      const controller = new AbortController()
      const late = failureOf(() => pool.connect({ timeoutMs: 5 }))
      const aborted = failureOf(() => pool.connect({ signal: controller.signal }))
      const failures = [await late]
      controller.abort(new RangeError('enough'))
      failures.push(await aborted)
      failures.push(await failureOf(() => pool.connect({ signal: AbortSignal.abort(new RangeError('before')) })))
      say('open')
      const fairy = keep('fairy', await beginner)
      const valid = [fairy.isValid]
      await fairy.close()
      return { failures, valid: [...valid, fairy.isValid] }
    })
    await worker.hear()
    gates[0]!.open()
    expect(await done).toMatchObject({
      failures: [{ class: 'TimeoutError', fields: { timeoutMs: 5 } }, { message: 'enough' }, { message: 'before' }],
      valid: [true, false],
    })
    await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
    expect(await worker.run(({ kept }) => kept<Fairy>('fairy').isValid)).toBe(false)
  })

  it.each(['deadline', 'signal'] as const)('goes on without its beginner, who has left by %s', async how => {
    const { creator, gates } = gatedCreator()
    const pool = localPool({ creator })
    const worker = startWorker()
    const done = worker.run(async ({ attach, failureOf, say }, how) => {
      const pool = await attach()
      const controller = new AbortController()
      const options = how === 'deadline' ? { timeoutMs: 10 } : { signal: controller.signal }
      const beginner = failureOf(() => pool.connect(options))
      const joined = [pool.connect(), pool.connect()]
      say('begun')
      setImmediate(() => controller.abort(new RangeError('left')))
      const failure = await beginner
      say('left')
      const [one, two] = await Promise.all(joined)
      await one!.close()
      await two!.close()
      return { failure, same: one === two, valid: one!.isValid }
    }, how)
    await worker.hear()
    await worker.hear()
    await eventually(() => gates.length).toBeGreaterThanOrEqual(1)
    // The abandoned attempt opens as well; the joiners take whichever is first.
    await eventually(() => {
      for (const gate of gates) gate.open()
      return pool.status().checkedout
    }).toBe(0)
    expect(await done).toMatchObject({
      failure: { class: how === 'deadline' ? 'TimeoutError' : 'RangeError' },
      same: true,
      valid: false,
    })
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })
})
