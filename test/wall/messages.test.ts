import { inspect } from 'node:util'
import { beforeEach, expect, it } from 'vitest'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { kind } from '../../src/protocol/messages.ts'
import { noCrashes } from '../support/crashes.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

type Intruder = import('../support/intruder.ts').Intruder

const lines: string[] = []
const logger = { debug() {}, info() {}, warn: (line: string) => void lines.push(line), error() {} }

let pool: QueuePool<ToyConnection>
let made: ToyConnection[]
let worker: TestWorker

beforeEach(async () => {
  lines.length = 0
  const toys = toyCreator()
  made = toys.made
  pool = openPool({ creator: toys.creator, poolSize: 2, maxOverflow: 0, timeoutMs: 5000, logger })
  worker = startWorker()
  await worker.run(async ({ load, keep }) => {
    const { Intruder } = (await load('../support/intruder.js')) as typeof import('../support/intruder.js')
    keep('intruder', await Intruder.enter())
  })
})

/** The pool works as ever, and nothing is lost. */
async function isAsBefore(): Promise<void> {
  await worker.terminate()
  await eventually(() => [pool.status().checkedout, pool.status().waiting, pool.slots.waiters]).toEqual([0, 0, 0])
  const fairies = await Promise.all([pool.connect(), pool.connect()])
  expect(fairies.map(fairy => fairy.whoami()).every(Number.isInteger)).toBe(true)
  await Promise.all(fairies.map(fairy => fairy.close()))
  expect(pool.slots.counts()).toMatchObject({ leased: 0, opening: 0, returning: 0, closing: 0, reserved: 0 })
}

it('a message whose parts are not what they should be is refused, answered and counted; and said of once in the log', async () => {
  noCrashes()
  const wrong = await worker.run(async ({ kept }, kind) => {
    const intruder = kept<Intruder>('intruder')
    const lease = await intruder.lease()
    const textless = { toString: null, valueOf: null }
    const fields = { name: 'Error', ours: false, message: 'm', stack: undefined, fields: {}, buffers: undefined }
    const nested = (depth: number): object => (depth === 0 ? fields : { ...fields, cause: nested(depth - 1) })
    const sent: readonly (readonly unknown[])[] = [
      ...[-1, 1.5, 2 ** 53, Number.NaN, '0', textless, null, 7n, [lease], new Date(), `${lease}`].flatMap(number => [
        [kind.call, number, 0, 'whoami', []],
        [kind.detach, number],
        [kind.invalidate, number, undefined, false],
        [kind.end, number, 'closed'],
        [kind.cursor, number, []],
        [kind.read, number, 1, 'read'],
        [kind.handover, number],
      ]),
      ...[-1, '0', textless, Number.NaN].map(target => [kind.call, lease, target, 'whoami', []]),
      ...['no list', { length: 1 }, null, undefined, new Array(100_000)].map(args => [
        kind.call,
        lease,
        0,
        'echo',
        args,
      ]),
      ...['no list', [1], [{}], [null], [new Float64Array(1)], new Uint8Array(1), {}].map(buffers => [
        kind.call,
        lease,
        0,
        'echo',
        buffers === null ? [] : [buffers],
        buffers,
      ]),
      ...['died', 'invalidated', 'detached', '', textless, 7].map(reason => [kind.end, lease, reason]),
      ...['yes', 1, textless].map(inTransaction => [kind.end, lease, 'closed', inTransaction]),
      ...[1, 'x', null, [], {}, { ...fields, fields: null }, { ...fields, message: textless }, nested(30)].map(
        error => [kind.invalidate, lease, error, false],
      ),
      [kind.invalidate, lease, undefined, 'soft'],
      ...['write', textless, undefined].map(what => [kind.read, lease, 1, what]),
      ...[-1, '1', textless, Number.POSITIVE_INFINITY].map(timeoutMs => [kind.late, timeoutMs, 0, 'connect']),
      ...['close', textless].map(verb => [kind.late, 1, 0, verb]),
      ...[7, null, textless, ['select 1']].map(text => [kind.query, text, undefined, undefined, undefined]),
      ...['x', textless, { length: 1 }].map(values => [kind.query, 'select 1', values, undefined, undefined]),
      ...[5, '0', textless].map(timeoutMs => [kind.query, 'select 1', undefined, undefined, timeoutMs]),
      [kind.detach, lease, 'one too many'],
    ]
    const let_in: unknown[] = []
    for (const [what, ...parts] of sent) {
      const outcome = await intruder.outcome(what as number, ...parts)
      if (outcome !== 'ArgumentError') let_in.push([what, parts, outcome])
    }
    // Nobody is answered who has no number, or says what only the coordinator says.
    const before = intruder.heard.length
    for (const message of [
      null,
      7,
      'x',
      {},
      [],
      [99, 50_001],
      [kind.failure, 50_002, fields],
      [kind.answer, 50_003, 1],
    ])
      intruder.post([message])
    for (const id of [0, -1, '1', textless, 1.5, null]) intruder.post([[kind.connect, id]])
    intruder.post([
      [kind.release, textless, 1],
      [kind.collected, Number.NaN, textless],
      [kind.transport, 'relay', 'x'],
    ])
    intruder.post([
      [kind.transport, 'remote', 'x'.repeat(100_000)],
      [kind.failed, lease, 'x'],
      [kind.control, 'no port'],
    ])
    await intruder.heardOut()
    // But for the one that it was heard out by, and what is asked of all.
    const answered = intruder.heard.slice(before).filter(([what]) => what !== kind.inquire).length - 1
    const still = await intruder.outcome(kind.call, lease, 0, 'whoami', [])
    return { sent: sent.length, let_in, answered, still }
  }, kind)
  expect(wrong).toMatchObject({ let_in: [], answered: 0, still: 'answer' })
  expect(pool.status().refused).toBe(wrong.sent + 8 + 6 + 3 + 3)
  expect(String(pool.status())).toContain(`, refused ${pool.status().refused}`)
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain(`thread ${worker.threadId} sends what no attached thread should`)
  await isAsBefore()
})

it('what belongs to others can not be reached: their leases, by number or by guess', async () => {
  noCrashes()
  const fairy = await pool.connect()
  const honest = startWorker()
  const lease = await honest.run(async ({ attach, keep, require }) => {
    const toy = keep('toy', await (await attach()).connect())
    const { inspect } = require('node:util') as typeof import('node:util')
    return Number(/lease: (\d+)/.exec(inspect(toy))![1])
  })
  const ours = Number(/lease: (\d+)/.exec(inspect(fairy))![1])
  const outcomes = await worker.run(
    async ({ kept }, kind, leases) => {
      const intruder = kept<Intruder>('intruder')
      const outcomes = new Set<string>()
      for (const lease of leases) {
        outcomes.add(await intruder.outcome(kind.call, lease, 0, 'whoami', []))
        outcomes.add(await intruder.outcome(kind.invalidate, lease, undefined, false))
        outcomes.add(await intruder.outcome(kind.detach, lease))
        outcomes.add(await intruder.outcome(kind.cursor, lease, ['select 1']))
        outcomes.add(await intruder.outcome(kind.handover, lease))
        // Of these nobody hears.
        intruder.post([[kind.end, 0, lease, 'closed']])
        intruder.post([[kind.release, lease, 1]])
        // It may be over: that is no fault, and nothing happens.
        outcomes.add(await intruder.outcome(kind.end, lease, 'closed'))
      }
      return [...outcomes]
    },
    kind,
    [lease, ours, lease + 2 ** 31, lease + 1, lease - 1, 2 ** 52, 2 ** 40, 0, 1],
  )
  expect(outcomes.sort()).toEqual(['StaleLeaseError', 'answer'])
  const answer = await honest.run(({ kept }) => kept<{ whoami(): Promise<number> }>('toy').whoami())
  expect([answer, fairy.whoami(), fairy.isValid]).toEqual([2, 1, true])
  expect(made.map(({ log }) => log)).toEqual([[], []])
  await fairy.close()
})

it('a number that was used is refused: no wish is forgotten in the queue', async () => {
  noCrashes()
  const [one, two] = await Promise.all([pool.connect(), pool.connect()])
  await worker.run(async ({ kept, load }, kind) => {
    const { SlotTable } = (await load(
      '../../src/slots/slot-table.js',
    )) as typeof import('../../src/slots/slot-table.js')
    const intruder = kept<Intruder>('intruder')
    // As if callers waited here.
    SlotTable.attach(intruder.welcome.buffer).sessions.setWaiting(intruder.welcome.session, 9)
    for (let i = 0; i < 5; i++) intruder.post([[kind.ask, 100]])
    intruder.post([[kind.ask, 101]])
  }, kind)
  await eventually(() => pool.slots.waiters).toBe(2)
  expect(pool.status().refused).toBe(4)
  await worker.terminate()
  await eventually(() => pool.slots.waiters).toBe(0)
  await Promise.all([one.close(), two.close()])
})

it('a lease that is detached twice does not take along the next one of its slot', async () => {
  noCrashes()
  await worker.run(async ({ kept }, kind) => {
    const intruder = kept<Intruder>('intruder')
    const first = await intruder.lease()
    await intruder.ask(kind.detach, first)
    const second = await intruder.lease()
    await intruder.ask(kind.detach, first)
    // It is still known as this thread's.
    return intruder.outcome(kind.call, second, 0, 'whoami', [])
  }, kind)
  await isAsBefore()
})

it('whoever does not run the driver can say nothing of what it does', async () => {
  noCrashes()
  const outcomes = await worker.run(async ({ kept }, kind) => {
    const intruder = kept<Intruder>('intruder')
    const lease = await intruder.lease()
    const lost = {
      name: 'E',
      ours: false,
      message: 'm',
      stack: undefined,
      fields: { code: 'ECONNRESET' },
      buffers: undefined,
    }
    const resumed = await intruder.outcome(kind.end, lease, 'closed', false)
    intruder.post([
      [kind.transport, 'direct', undefined],
      [kind.failed, lease, lost],
    ])
    return [
      resumed,
      await intruder.outcome(kind.call, lease, 0, 'whoami', []),
      await intruder.ask(kind.handover, lease),
    ]
  }, kind)
  expect(outcomes).toEqual(['ArgumentError', 'answer', ['answer', undefined, undefined]])
  expect(pool.status()).toMatchObject({ refused: 3, transports: [{ transport: 'remote' }] })
  await isAsBefore()
})

it('what no thread may be told ends no session: ports by the thousand, and a second control plane', async () => {
  noCrashes()
  const closed = await worker.run(async ({ kept, require }, kind) => {
    const { MessageChannel } = require('node:worker_threads') as typeof import('node:worker_threads')
    const intruder = kept<Intruder>('intruder')
    const lease = await intruder.lease()
    let closed = 0
    let sent = 0
    const stray = (): import('node:worker_threads').MessagePort => {
      const { port1, port2 } = new MessageChannel()
      sent++
      port1.once('close', () => closed++)
      port1.postMessage('read me')
      return port2
    }
    for (let i = 0; i < 300; i++) {
      const [one, two, three] = [stray(), stray(), stray()]
      intruder.post([[kind.call, intruder.nextId(), lease, 0, 'echo', [{ deep: [one] }]]], one)
      intruder.post({ hidden: two }, two)
      intruder.post([[99, three]], three)
    }
    intruder.control()
    const planes = Array.from({ length: 10 }, stray)
    for (const port of planes) intruder.post([[kind.control, port]], port)
    await intruder.heardOut()
    for (let i = 0; i < 500 && closed < sent; i++) await new Promise(resolve => setTimeout(resolve, 10))
    return { closed, sent }
  }, kind)
  expect(closed).toEqual({ closed: 910, sent: 910 })
  await isAsBefore()
})
