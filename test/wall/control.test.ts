import { expect, it } from 'vitest'
import { noCrashes } from '../support/crashes.ts'
import { openPool } from '../support/open-pool.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

it("Comlink's own messages reach nothing but the listed methods, crash nothing, and are counted", async () => {
  noCrashes()
  const pool = openPool<ToyConnection>({ creator: toyCreator().creator, poolSize: 2, maxOverflow: 0, logger: silent })
  const honest = startWorker()
  await honest.run(async ({ attach, keep }) => {
    const toy = keep('toy', (await (await attach()).connect()) as RemoteToy)
    await toy.recordInfo!.set('secret', 'mine')
  })
  const seen = await startWorker().run(async ({ load, require }) => {
    const { MessageChannel } = require('node:worker_threads') as typeof import('node:worker_threads')
    const { Intruder } = (await load('../support/intruder.js')) as typeof import('../support/intruder.js')
    const intruder = await Intruder.enter()
    const port = intruder.control()
    const answers: { readonly id: unknown; readonly value: { readonly ok?: unknown; readonly failed?: unknown } }[] = []
    const heard = new Map<unknown, (answer: unknown) => void>()
    port.on('message', answer => {
      answers.push(answer as (typeof answers)[number])
      heard.get((answer as { readonly id: unknown }).id)?.(answer)
    })
    const none = { type: 'RAW', value: { value: [] } }
    const textless = { toString: null, valueOf: null }
    const named = Object.assign(['status'], { reduce: 1, slice: 'no', map: null })
    const apply = (path: unknown, argumentList: unknown = [none]): object => ({ type: 'APPLY', path, argumentList })
    const paths = [
      ...[
        [],
        ['constructor'],
        ['__proto__'],
        ['status', 'constructor'],
        ['status', 'call'],
        ['constructor', 'constructor'],
      ],
      ...[
        ['__proto__', 'polluted'],
        ['toString'],
        ['shutdown'],
        [textless],
        [['status']],
        [7],
        [null],
        'status',
        7,
        null,
      ],
      ...[
        textless,
        { 0: 'status', length: 1 },
        new Array(2 ** 32 - 1),
        undefined,
        ['status', 'apply'],
        ['then'],
        ['status', 'bind'],
      ],
    ]
    const code = { type: 'RAW', value: 'process.exitCode = 77; globalThis.broken = true' }
    const thrown = { type: 'HANDLER', name: 'throw', value: { isError: false, value: 'thrown' } }
    const lists = [
      ...[5, 'x', null, {}, textless, [], [none, none], [null], [7], [code], [thrown], new Array(2 ** 32 - 1)],
      ...[[{ type: 'HANDLER', name: 'nobody' }], [{ type: 'HANDLER', name: 'proxy', value: 7 }], [{ type: 'RAW' }]],
      ...[[{ type: 'RAW', value: { value: 'x' } }], [{ type: 'RAW', value: { value: [], buffers: [{}] } }], [textless]],
      ...[[{ type: 'RAW', value: { value: [], buffers: 5 } }], [{ type: 'RAW', value: { value: Array(11).fill(1) } }]],
    ]
    const messages: unknown[] = [
      ...paths.flatMap(path => [
        apply(path),
        { type: 'GET', path },
        { type: 'SET', path, value: code },
        { type: 'CONSTRUCT', path, argumentList: [code] },
      ]),
      ...['ENDPOINT', 'RELEASE', 'EVAL', textless, 7, null, undefined].map(type => ({
        type,
        path: ['status'],
        argumentList: [none],
      })),
      ...lists.map(list => apply(['status'], list)),
      // The path is an array of its own making.
      ...[{ ...apply(['dispose']), path: Object.assign(['shutdown'], { reduce: 1 }) }],
      ...[null, 7, 'APPLY', [], [apply(['status'])], new Map(Object.entries(apply(['status'])))],
    ]
    for (const message of messages) {
      const isPlain =
        typeof message === 'object' && message !== null && Object.getPrototypeOf(message) === Object.prototype
      port.postMessage(isPlain ? { id: `bad ${messages.indexOf(message)}`, ...message } : message)
    }
    for (const id of [undefined, 7, null, textless, 'x'.repeat(1000)]) port.postMessage({ ...apply(['status']), id })
    const { port1, port2 } = new MessageChannel()
    const isClosed = new Promise(resolve => port1.once('close', () => resolve('closed')))
    port.postMessage(apply(['status'], [{ type: 'HANDLER', name: 'proxy', value: port2 }]), [port2])
    const call = async (name: string, ...args: readonly unknown[]): Promise<unknown> => {
      const answer = (await new Promise(resolve => {
        heard.set(name, resolve as (answer: unknown) => void)
        port.postMessage({ id: name, ...apply([name], [{ type: 'RAW', value: { value: args } }]) })
      })) as {
        readonly value: { readonly ok?: { readonly value: unknown }; readonly failed?: { readonly name: string } }
      }
      return answer.value.failed?.name ?? answer.value.ok?.value
    }
    // With a name of its own on the path: only what is in it counts.
    port.postMessage({ id: 'named', ...apply(named) })
    const status = await call('status')
    const bad = answers.filter(({ id }) => id !== 'named' && id !== 'status')
    const lease = await intruder.lease()
    const refusals: unknown[] = []
    for (const kind of ['', 'constructor', '__proto__', textless])
      refusals.push(await call('infoGet', lease, kind, 'x'))
    for (const key of [7, textless, null, undefined, ['x'], 'x'.repeat(1001)]) {
      for (const name of ['infoGet', 'infoSet', 'infoHas', 'infoDelete'])
        refusals.push(await call(name, lease, 'info', key, 1))
    }
    for (const event of [7, textless, 'birthday', '__proto__', null]) {
      refusals.push(await call('listen', event), await call('unlisten', event))
    }
    for (const generation of ['x', textless, 1.5, Number.NaN, 7n]) refusals.push(await call('invalidate', generation))
    for (const other of [0, 1, -1, 'x', textless, null, lease + 2 ** 31, lease - 1])
      refusals.push(await call('infoGet', other, 'recordInfo', 'secret'))
    for (const value of [new SharedArrayBuffer(4), new Array(2 ** 32 - 1)])
      refusals.push(await call('infoSet', lease, 'info', 'x', value))
    for (let i = 0; i < 1000; i++) await call('infoSet', lease, 'recordInfo', `key ${i}`, i)
    refusals.push(await call('infoSet', lease, 'recordInfo', 'one too many', 1))
    const kept = await call('infoGet', lease, 'recordInfo', 'key 999')
    return { sent: messages.length, bad, status, closed: await isClosed, refusals: [...new Set(refusals)].sort(), kept }
  })
  expect(seen).toMatchObject({ bad: [], closed: 'closed', kept: 999 })
  expect(seen.status).toMatchObject({ counts: { poolSize: 2 } })
  expect(seen.refusals).toEqual(['ArgumentError', 'InvalidRequestError', 'StaleLeaseError'])
  expect(pool.status().refused).toBe(seen.sent + 5 + 1)
  expect({}).not.toHaveProperty('polluted')
  expect(globalThis).not.toHaveProperty('broken')
  expect(process.exitCode).toBeUndefined()
  expect(await honest.run(({ kept }) => kept<RemoteToy>('toy').recordInfo!.get('secret'))).toBe('mine')
})
