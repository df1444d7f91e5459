import { expect, it } from 'vitest'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { type Census, census } from '../support/census.ts'
import { eventually } from '../support/eventually.ts'
import { fastPool } from '../support/fast-toy.ts'
import { startWorker } from '../support/start-worker.ts'

it('unshare() while threads claim in a tight loop leaves no slot leased', async () => {
  const { pool } = fastPool({ poolSize: 2 })
  for (let round = 0; round < 5; round++) {
    const address = pool.share()
    const workers = [startWorker(), startWorker(), startWorker()]
    const loops = workers.map(worker =>
      worker.run(async ({ attach, say }, address) => {
        const pool = await attach(address)
        let count = 0
        for (;;) {
          try {
            const fairy = await pool.connect()
            await fairy.close()
            if (++count === 100) say('busy')
            // Now and then others have their turn, and messages are read.
            if (count % 100 === 0) await new Promise(setImmediate)
          } catch (error) {
            return (error as { code?: unknown }).code
          }
        }
      }, address),
    )
    await Promise.all(workers.map(worker => worker.hear()))
    pool.unshare()
    expect(await Promise.all(loops)).toEqual(Array(3).fill('FAIRYPOOL_COORDINATOR_LOST'))
    await eventually(() => pool.slots.sessions.count).toBe(1)
    await eventually(() => pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
    await Promise.all(workers.map(worker => worker.terminate()))
  }
})

it('a client whose pool is shared no more claims nothing, also not under the number of a thread that came later', async () => {
  const { pool } = fastPool()
  await (await pool.connect()).close()
  const worker = startWorker()
  await worker.run(async ({ attach, keep }) => {
    const pool = keep('pool', await attach())
    await (await pool.connect()).close()
  })
  const ask = () =>
    worker.run(async ({ kept, failureOf }) => {
      const pool = kept<PoolClient>('pool')
      const failures = [
        await failureOf(() => pool.connect()),
        await failureOf(() => pool.connect({ timeoutMs: 0 })),
        await failureOf(() => pool.uniqueConnection()),
      ]
      return failures.map(({ code }) => code)
    })
  pool.unshare()
  await eventually(() => pool.slots.sessions.count).toBe(1)
  expect(await ask()).toEqual(Array(3).fill('FAIRYPOOL_COORDINATOR_LOST'))
  // What it has claimed before it was told is taken back.
  await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  const address = pool.share()
  const other = startWorker()
  await other.run(async ({ attach, keep }, address) => void keep('pool', await attach(address)), address)
  expect(await ask()).toEqual(Array(3).fill('FAIRYPOOL_COORDINATOR_LOST'))
  expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
})

it('a signal that has aborted before the checkout is heeded, whatever is idle', async () => {
  for (const useThreadlocal of [false, true]) {
    const { pool } = fastPool({ useThreadlocal })
    await (await pool.connect()).close()
    const failures = await startWorker().run(async ({ attach, failureOf }) => {
      const pool = await attach()
      const signal = AbortSignal.abort(new RangeError('too late'))
      return [await failureOf(() => pool.connect({ signal })), await failureOf(() => pool.uniqueConnection({ signal }))]
    })
    expect(failures).toMatchObject(Array(2).fill({ class: 'RangeError', message: 'too late' }))
    expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
    pool.unshare()
  }
})

it('a port for the control plane that arrives when the pool is shared no more is closed', async () => {
  const { pool } = fastPool()
  const worker = startWorker()
  const attach = (): Promise<void> =>
    worker.run(async ({ attach, keep }, address) => void keep('pool', await attach(address)), pool.share())
  /** The thread has asked for the first time, and is lost before that is read. */
  const ask = async (): Promise<void> => {
    const flag = new Int32Array(new SharedArrayBuffer(4))
    const asked = worker.run(async ({ kept, failureOf }, flag) => {
      const failure = failureOf(() => kept<PoolClient>('pool').status())
      Atomics.store(flag, 0, 1)
      Atomics.notify(flag, 0)
      return (await failure).code
    }, flag)
    Atomics.wait(flag, 0, 0)
    pool.unshare()
    expect(await asked).toBe('FAIRYPOOL_COORDINATOR_LOST')
    await eventually(() => pool.slots.sessions.count).toBe(1)
  }
  const ports = async (): Promise<Census['ports']> => (await census()).ports
  await attach()
  await ask()
  const before = await ports()
  for (let round = 0; round < 3; round++) {
    await attach()
    await ask()
  }
  await eventually(ports).toBeLessThanOrEqual(before)
})
