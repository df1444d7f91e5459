import { getEnvironmentData } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { pg } from '../../src/pg.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { noCrashes } from '../support/crashes.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

const toyPool = (): QueuePool<ToyConnection> =>
  openPool({ creator: toyCreator().creator, poolSize: 2, maxOverflow: 0, logger: silent })

it('hellos of all shapes crash nothing, and the next thread attaches as ever', async () => {
  noCrashes()
  const pool = toyPool()
  const refusals = await startWorker().run(async ({ load, require }) => {
    const { Intruder } = (await load('../support/intruder.js')) as typeof import('../support/intruder.js')
    const { MessageChannel, postMessageToThread } =
      require('node:worker_threads') as typeof import('node:worker_threads')
    const textless = { toString: null, valueOf: null }
    const names = ['nobody', textless, null, {}, 7, 7n, ['default'], '__proto__', 'constructor', 'x'.repeat(10_000)]
    const refusals: string[] = []
    for (const name of names) {
      const failed = await Intruder.enter(name).catch((error: Error) => error.message)
      refusals.push(typeof failed === 'string' ? failed : 'let in')
    }
    for (const threadId of [textless, 7n, 'x', Number.NaN, null, new Map()]) {
      const intruder = await Intruder.enter('default', { threadId })
      intruder.leave()
    }
    const { port1 } = new MessageChannel()
    for (const garbage of [null, 1, 'attach', [], { fairypool: 'attach' }, { fairypool: 'attach', port: 1 }])
      await postMessageToThread(0, garbage)
    await postMessageToThread(0, { fairypool: 'detach', port: port1 }, [port1])
    return refusals
  })
  expect(refusals).toHaveLength(10)
  for (const refusal of refusals) expect(refusal).toMatch(/^No pool is shared as '.{0,20}'. Shared are: default\.$/)
  await eventually(() => pool.status().transports).toEqual([])
  expect(
    await startWorker().run(async ({ attach }) => ((await (await attach()).connect()) as RemoteToy).whoami!()),
  ).toBe(1)
})

it('a thread is who it is, whatever it says', async () => {
  noCrashes()
  const pool = toyPool()
  const worker = startWorker()
  await worker.run(async ({ load, keep }) => {
    const { Intruder } = (await load('../support/intruder.js')) as typeof import('../support/intruder.js')
    await keep('intruder', await Intruder.enter('default', { threadId: 0 })).lease()
  })
  expect(pool.status().transports).toMatchObject([{ threadId: worker.threadId }])
  await expect(pool.connect({ timeoutMs: 0 }).then(() => pool.connect({ timeoutMs: 0 }))).rejects.toMatchObject({
    holders: expect.arrayContaining([expect.objectContaining({ threadId: worker.threadId })]),
  })
})

it('a thread that attaches a thousand times keeps nobody out', async () => {
  noCrashes()
  const pool = toyPool()
  const worker = startWorker()
  const seen = await worker.run(async ({ load, keep }) => {
    const { Intruder } = (await load('../support/intruder.js')) as typeof import('../support/intruder.js')
    const intruders = keep('intruders', [] as import('../support/intruder.js').Intruder[])
    const refusals = new Set<string>()
    for (let i = 0; i < 1000; i++) {
      await Intruder.enter().then(
        intruder => intruders.push(intruder),
        (error: Error) => refusals.add(error.message),
      )
    }
    return { in: intruders.length, refusals: [...refusals] }
  })
  expect(seen).toEqual({ in: 8, refusals: ['A thread can attach 8 times at a time, and this one has.'] })
  const honest = startWorker()
  expect(await honest.run(async ({ attach }) => ((await (await attach()).connect()) as RemoteToy).whoami!())).toBe(1)
  await worker.terminate()
  await eventually(() => pool.status().transports.map(({ threadId }) => threadId)).toEqual([honest.threadId])
})

it('a pool whose dialect finds out late that it can not work refuses those who attach, and tells no password', async () => {
  noCrashes()
  openPool({ dialect: pg('postgres://user:verySecret@host:port/db'), poolSize: 1 })
  const failure = await startWorker().run(async ({ attach, failureOf }) => failureOf(() => attach()))
  expect(failure).toMatchObject({
    class: 'InvalidRequestError',
    message: expect.stringContaining("The pool can't be attached to: "),
  })
  expect(JSON.stringify([failure, getEnvironmentData('fairypool.pools')])).not.toContain('verySecret')
})
