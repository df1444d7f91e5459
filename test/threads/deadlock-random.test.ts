import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import type { Fairy } from '../../src/fairies/fairy.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { WorkerContext } from '../support/worker-context.ts'

const own = OwnServer.forThisFile()
const seeds = [1, 2, 3]

/** Runs a script in three threads that have nothing else to do, and gives what each returns. */
function inThreads<A extends readonly unknown[], R>(
  script: (context: WorkerContext, seed: number, ...args: A) => R,
  seed: number,
  ...args: A
): Promise<Awaited<R>[]> {
  const outcomes = [0, 1, 2].map(index => {
    const worker = startWorker()
    const outcome = worker.run(script, seed * 1000 + index, ...args)
    worker.release()
    return outcome
  })
  return Promise.all(outcomes)
}

/**
 * Tasks that hold a connection while they do something that ends by itself, and want another meanwhile that they do not wait for. So there
 * is always one who will close. Gives the failures.
 */
async function progressing({ attach, require }: WorkerContext, seed: number): Promise<string[]> {
  const { setTimeout: sleep } = require('node:timers/promises') as typeof import('node:timers/promises')
  const { scrypt } = require('node:crypto') as typeof import('node:crypto')
  const { stat } = require('node:fs/promises') as typeof import('node:fs/promises')
  const { Worker } = require('node:worker_threads') as typeof import('node:worker_threads')
  let state = seed
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const echo = `const { parentPort } = require('node:worker_threads'); parentPort.on('message', ms => setTimeout(() => parentPort.postMessage(ms), ms))`
  const peer = new Worker(echo, { eval: true })
  peer.setMaxListeners(0)
  peer.on('message', () => {})
  peer.unref()
  let speaking = 0
  const speak = async (): Promise<void> => {
    if (speaking++ === 0) peer.ref()
    await new Promise(resolve => {
      peer.once('message', resolve)
      peer.postMessage(random(100))
    })
    if (--speaking === 0) peer.unref()
  }
  const things: ((first: Fairy<Client>) => unknown)[] = [
    () => sleep(random(150)),
    () => sleep(random(10)),
    () => new Promise(resolve => scrypt('a', 'b', 64, { N: 2 ** 14, maxmem: 2 ** 28 }, resolve)),
    () => stat('/'),
    first => first.query('select pg_sleep($1)', [random(100) / 1000]),
    speak,
  ]
  const pool = await attach<Client>()
  const failures: string[] = []
  const failed = (error: Error): void => void failures.push(`${error.constructor.name}: ${error.message}`)
  const task = async (): Promise<void> => {
    for (let round = 0; round < 12; round++) {
      const first = await pool.connect()
      const second =
        random(4) === 0
          ? undefined
          : pool
              .connect()
              .then(fairy => fairy.close())
              .catch(failed)
      const third = random(4) === 0 ? pool.query('select 1').catch(failed) : undefined
      await things[random(things.length)]!(first)
      await first.close()
      await Promise.all([second, third])
    }
  }
  await Promise.all([task().catch(failed), task().catch(failed), task().catch(failed)])
  await peer.terminate()
  return failures
}

/** Tasks that take one connection after another and wait for each. Gives how each ended. */
async function greedy({ attach }: WorkerContext, seed: number): Promise<string[]> {
  const pool = await attach<Client>()
  const task = async (depth: number): Promise<string> => {
    const fairies: Fairy<Client>[] = []
    try {
      while (fairies.length < depth) {
        fairies.push(await pool.connect())
        await fairies.at(-1)!.query('select 1')
      }
      return 'served'
    } catch (error) {
      return (error as Error).constructor.name
    } finally {
      for (const fairy of fairies) await fairy.close()
    }
  }
  return Promise.all([0, 1, 2, 3].map(index => task(1 + ((seed + index) % 3))))
}

describe.each(['direct', 'remote'] as const)('where the transport is %s, and threads do this and that', transport => {
  const pool = (poolSize: number) =>
    own.pool('a Unix socket', {
      ...(transport === 'remote' ? { transport } : {}),
      poolSize,
      timeoutMs: 200_000,
      detectDeadlocks: true,
    })

  it.each(seeds)('nobody is taken for stuck as long as anybody can go on (seed %i)', async seed => {
    const shared = pool(3)
    expect((await inThreads(progressing, seed)).flat()).toEqual([])
    await eventually(() => shared.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })

  it.each(seeds)('and nobody waits for his deadline where nobody can (seed %i)', async seed => {
    const shared = pool(3)
    const before = performance.now()
    const outcomes = (await inThreads(greedy, seed)).flat()
    expect(performance.now() - before).toBeLessThan(60_000)
    expect(new Set([...outcomes, 'served', 'DeadlockError'])).toEqual(new Set(['served', 'DeadlockError']))
    expect(outcomes).toContain('served')
    await eventually(() => shared.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })
})
