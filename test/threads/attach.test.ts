import { describe, expect, it, onTestFinished } from 'vitest'
import { createPool } from '../../src/coordinator/create-pool.ts'
import type * as doors from '../../src/index.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { attach } from '../../src/worker/attach.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'
import * as toys from '../support/toy-driver.ts'
import type { WorkerContext } from '../support/worker-context.ts'

const toyPool = (name?: string): QueuePool<toys.ToyConnection> =>
  openPool({ creator: toys.toyCreator().creator, poolSize: 1 }, name)

const nameOf = async ({ attach }: WorkerContext, pool?: string): Promise<string> => (await attach(pool)).name
const failureToAttach = ({ attach, failureOf }: WorkerContext, pool?: string) => failureOf(() => attach(pool))

describe('a worker attaches', () => {
  it("to 'default' when it says nothing, and by name to any other", async () => {
    toyPool()
    toyPool('reports')
    const worker = startWorker()
    expect(await worker.run(nameOf)).toBe('default')
    expect(await worker.run(nameOf, 'reports')).toBe('reports')
  })

  it('to the only pool there is, whatever its name, when it says nothing', async () => {
    toyPool('lonely')
    expect(await startWorker().run(nameOf)).toBe('lonely')
  })

  it('by the address that share() returned, also to a pool that was shared after its spawn', async () => {
    const worker = startWorker()
    await worker.run(() => {})
    const address = toyPool('late').share()
    expect(await worker.run(async ({ attach }, address) => (await attach(address)).name, address)).toBe('late')
    expect(await worker.run(failureToAttach, 'late')).toMatchObject({ class: 'InvalidRequestError' })
  })

  it('once: later calls give the same client, by name and by address, at the same time and one after another', async () => {
    const address = toyPool().share()
    const same = await startWorker().run(async ({ attach }, address) => {
      const [first, second] = await Promise.all([attach(), attach(address)])
      return [first === second, first === (await attach('default')), first === (await attach(address))]
    }, address)
    expect(same).toEqual([true, true, true])
  })

  it('once, also where the module has been loaded by require(), by import, and as a second copy', async () => {
    toyPool()
    const same = await startWorker().run(async ({ attach, load, require }) => {
      const file = '../../src/worker/attach.js'
      const required = require(file) as { attach: typeof attach }
      const imported = (await load(file)) as { attach: typeof attach }
      const copy = (await load(`${file}?copy`)) as { attach: typeof attach }
      const clients = await Promise.all([attach(), required.attach(), imported.attach(), copy.attach()])
      return [copy.attach !== attach, new Set(clients).size]
    })
    expect(same).toEqual([true, 1])
  })

  it('from a worker that another worker has spawned', async () => {
    const pool = toyPool()
    const worker = startWorker()
    const number = await worker.run(async ({ spawn }) => {
      const nested = await spawn()
      const number = await nested.run(async ({ attach }) => {
        const pool = await attach()
        return pool.use(toy => (toy as RemoteToy).whoami!())
      })
      nested.release()
      return (await nested.exited) === 0 ? (number as number) : -1
    })
    expect(number).toBe(1)
    await eventually(() => pool.status().checkedout).toBe(0)
  })
})

describe('attaching fails at once, with an error that says what is there', () => {
  it('when no pool was shared', async () => {
    expect(await startWorker().run(failureToAttach)).toMatchObject({
      class: 'InvalidRequestError',
      code: 'FAIRYPOOL_INVALID_REQUEST',
      message: expect.stringMatching(/'default'.*none was.*share\(\)/),
    })
  })

  it('when there are several and none is named, or a name is wrong', async () => {
    toyPool('red')
    toyPool('green')
    const worker = startWorker()
    for (const name of [undefined, 'blue', 'constructor', '__proto__']) {
      const failure = await worker.run(failureToAttach, name)
      expect(failure).toMatchObject({ class: 'InvalidRequestError', message: expect.stringContaining('red, green') })
    }
  })

  it('when the argument is neither a name nor an address', async () => {
    toyPool()
    const failures = await startWorker().run(async ({ attach, failureOf }) => {
      const wrong = [7, {}, { name: 'default', threadId: 0 }, null, () => {}]
      return Promise.all(wrong.map(each => failureOf(() => attach(each as never))))
    })
    for (const failure of failures) expect(failure.class).toBe('ArgumentError')
  })

  it('when the pool is shared no more: nothing is, or others are', async () => {
    const pool = toyPool('gone')
    const worker = startWorker()
    await worker.run(() => {})
    pool.unshare()
    expect(await worker.run(failureToAttach, 'gone')).toMatchObject({
      class: 'CoordinatorLostError',
      message: expect.stringContaining("'gone'"),
    })
    toyPool('other')
    expect(await worker.run(failureToAttach, 'gone')).toMatchObject({
      class: 'InvalidRequestError',
      message: expect.stringMatching(/'gone'.*other/),
    })
  })

  it('when the pool is shared no more by the time that the worker is told it is in: nothing hangs', async () => {
    const pool = toyPool()
    const worker = startWorker()
    await worker.run(() => {})
    const unshare = (): void => pool.unshare()
    process.once('workerMessage', unshare)
    const failure = await worker.run(({ attach, failureOf }) => failureOf(async () => (await attach()).connect()))
    expect(failure.class).toBe('CoordinatorLostError')
    worker.release()
    expect(await worker.exited).toBe(0)
  })

  it('in the thread that owns the pool', async () => {
    const address = toyPool().share()
    await expect(attach()).rejects.toMatchObject({
      code: 'FAIRYPOOL_INVALID_REQUEST',
      message: expect.stringContaining('owns'),
    })
    await expect(attach(address)).rejects.toMatchObject({ code: 'FAIRYPOOL_INVALID_REQUEST' })
  })
})

describe('a name', () => {
  it('belongs to one pool at a time, and a pool has one', () => {
    const pool = toyPool('mine')
    const other = createPool({ creator: toys.toyCreator().creator })
    expect(() => other.share({ name: 'mine' })).toThrow("Another pool is shared as 'mine'")
    expect(() => pool.share({ name: 'yours' })).toThrow("shared as 'mine' already")
    expect(() => other.share({ name: '' })).toThrow('name must be')
    expect(pool.share({ name: 'mine' })).toBe(pool.share())
    pool.unshare()
    expect(other.share({ name: 'mine' }).name).toBe('mine')
    other.unshare()
  })

  it('can be taken again, and the worker that has lost the old pool attaches anew', async () => {
    const { creator, made } = toys.toyCreator()
    const first = openPool({ creator, poolSize: 1 })
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => void keep('old', await attach()))
    const lost = worker.run(async ({ kept, failureOf }) =>
      failureOf(() => kept<PoolClient>('old').use(toy => (toy as RemoteToy).hang!())),
    )
    await eventually(() => made[0]?.log).toContain('hang')
    first.unshare()
    expect(await lost).toMatchObject({ class: 'CoordinatorLostError' })
    const second = toyPool()
    const seen = await worker.run(async ({ attach, kept }) => {
      const pool = await attach()
      await pool.use(toy => (toy as RemoteToy).whoami!())
      return [pool === kept<PoolClient>('old'), pool.isAttached, kept<PoolClient>('old').isAttached]
    })
    expect(seen).toEqual([false, true, false])
    await eventually(() => second.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  })
})

it('messages of others on the same event are left alone, and bad ones of ours harm nobody', async () => {
  toyPool()
  const heard: unknown[] = []
  const others = (message: unknown): void => void heard.push(message)
  process.on('workerMessage', others)
  onTestFinished(() => void process.off('workerMessage', others))
  const name = await startWorker().run(async ({ attach, require }) => {
    const { postMessageToThread, MessageChannel } =
      require('node:worker_threads') as typeof import('node:worker_threads')
    const hello = { fairypool: 'attach', name: 'default', threadId: 1 }
    const noise = [
      'text',
      null,
      undefined,
      7,
      { type: 'other' },
      ['x'],
      hello,
      { ...hello, port: 'no port' },
      { ...hello, name: 'unknown' },
      { ...hello, port: {} },
    ]
    for (const each of noise) await postMessageToThread(0, each)
    const { port1, port2 } = new MessageChannel()
    // Its other end is gone before the greeting arrives.
    port1.close()
    await postMessageToThread(0, { ...hello, port: port2 }, [port2])
    return (await attach()).name
  })
  expect(name).toBe('default')
  expect(heard).toHaveLength(12)
})

describe('a coordinator in a worker thread', () => {
  async function coordinate(): Promise<{ coordinator: TestWorker; address: doors.ShareAddress }> {
    const coordinator = startWorker()
    const address = await coordinator.run(async ({ load, keep }) => {
      const { createPool } = (await load('../../src/index.js')) as typeof doors
      const { toyCreator } = (await load('../support/toy-driver.js')) as typeof toys
      return keep('pool', createPool({ creator: toyCreator().creator, poolSize: 1, maxOverflow: 0 })).share()
    })
    return { coordinator, address }
  }

  it('serves the main thread and its siblings alike', async () => {
    const { address } = await coordinate()
    const pool = await attach(address)
    expect(await pool.use(toy => (toy as RemoteToy).echo!({ n: 1n }))).toEqual({ n: 1n })
    const number = await startWorker().run(async ({ attach }, address) => {
      return (await attach(address)).use(toy => (toy as RemoteToy).whoami!()) as Promise<number>
    }, address)
    expect(number).toBe(1)
    await eventually(async () => `${await pool.status()}`).toContain('checkedin 1, overflow 0, checkedout 0')
  })

  it.each(['terminate', 'exit', 'throw'] as const)('leaves nobody hanging when it dies (%s)', async how => {
    const { coordinator, address } = await coordinate()
    const client = await attach(address)
    const toy = (await client.connect()) as RemoteToy
    const pending = Promise.allSettled([toy.hang!(), client.connect(), toy.hang!()])
    const worker = startWorker()
    const theirs = worker.run(async ({ attach, failureOf, say }, address) => {
      const pool = await attach(address)
      await pool.status()
      say('ready')
      return [
        await failureOf(() => pool.connect()),
        await failureOf(() => pool.status()),
        await failureOf(() => attach(address)),
      ]
    }, address)
    await worker.hear()
    await eventually(async () => (await client.status()).waiting).toBe(2)
    if (how === 'terminate') await coordinator.terminate()
    if (how === 'exit') coordinator.runToDeath(() => process.exit(3))
    if (how === 'throw')
      coordinator.runToDeath(
        () =>
          void setImmediate(() => {
            throw new Error('on purpose')
          }),
      )
    for (const each of await pending) expect(each).toMatchObject({ reason: { code: 'FAIRYPOOL_COORDINATOR_LOST' } })
    for (const each of await theirs) expect(each.class).toBe('CoordinatorLostError')
    await toy.close()
    await expect(client.status()).rejects.toMatchObject({ code: 'FAIRYPOOL_COORDINATOR_LOST' })
    await expect(attach(address)).rejects.toMatchObject({ code: 'FAIRYPOOL_COORDINATOR_LOST' })
    worker.release()
    expect(await worker.exited).toBe(0)
  })
})
