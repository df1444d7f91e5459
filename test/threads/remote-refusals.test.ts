import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { pg } from '../../src/dialects/pg.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { kind, type Reply } from '../../src/protocol/messages.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

function toyPool(): { readonly pool: QueuePool<ToyConnection>; readonly made: ToyConnection[] } {
  const { creator, made } = toyCreator()
  return { pool: openPool({ creator, poolSize: 2, maxOverflow: 0 }), made }
}

describe('what a worker may not call', () => {
  it("is refused by a MethodNotAllowedError: the driver's ends, private names, what does not exist", async () => {
    const { made } = toyPool()
    const seen = await startWorker().run(async ({ attach, failureOf }) => {
      const toy = (await (await attach()).connect()) as RemoteToy
      const failures = []
      for (const name of ['end', 'destroy', 'release', '_secret', 'noSuchMethod', 'number', 'toString2']) {
        failures.push(await failureOf(() => toy[name]!()))
      }
      return { failures, still: (await toy.whoami!()) as unknown, isValid: toy.isValid }
    })
    for (const failure of seen.failures) {
      expect(failure).toMatchObject({ class: 'MethodNotAllowedError', code: 'FAIRYPOOL_METHOD_NOT_ALLOWED' })
    }
    expect(seen).toMatchObject({ still: 1, isValid: true })
    expect(made[0]!.log).toEqual([])
  })

  it('is all but `query` with pg, and the message says so', async () => {
    // Nobody listens there: a refusal needs no server.
    openPool<Client>({
      dialect: pg('postgres://127.0.0.1:1/nowhere'),
      creator: () => ({ on() {}, once() {}, ref() {}, unref() {}, connection: { stream: { destroy() {} } } }) as never,
      poolSize: 1,
      resetOnReturn: 'none',
    })
    const failures = await startWorker().run(async ({ attach, failureOf }) => {
      const conn = (await (await attach()).connect()) as RemoteToy
      return [
        await failureOf(() => conn.connect!()),
        await failureOf(() => conn.escapeLiteral!('x')),
        await failureOf(() => conn.on!('error')),
      ]
    })
    for (const failure of failures) {
      expect(failure.class).toBe('MethodNotAllowedError')
      expect(failure.message).toContain('It can call query.')
    }
  })

  it('is not reached through a handle either', async () => {
    toyPool()
    const failures = await startWorker().run(async ({ attach, failureOf }) => {
      const toy = (await (await attach()).connect()) as RemoteToy
      const handle = (await toy.prepare!('x')) as RemoteToy
      const names = ['constructor', '__proto__', 'prototype', '__defineGetter__', 'runs', 'nothing']
      return Promise.all(names.map(name => failureOf(() => Reflect.get(handle, name)())))
    })
    for (const failure of failures) expect(failure.class).toBe('MethodNotAllowedError')
  })

  it('is refused by the coordinator itself, whatever a worker writes on the wire; and bad messages harm nobody', async () => {
    const { pool, made } = toyPool()
    const seen = await startWorker().run(async ({ attach, require }, kind) => {
      const { MessageChannel, postMessageToThread, threadId } =
        require('node:worker_threads') as typeof import('node:worker_threads')
      // A fairy of somebody else.
      const honest = (await (await attach()).connect()) as RemoteToy
      const { port1, port2 } = new MessageChannel()
      const answers: unknown[] = []
      const replies = new Map<unknown, (reply: unknown) => void>()
      await new Promise<void>((resolve, reject) => {
        port1.on('message', message => {
          if (!Array.isArray(message)) return resolve()
          for (const reply of message as Reply[]) replies.get(reply[1])?.(reply)
        })
        postMessageToThread(0, { fairypool: 'attach', name: 'default', threadId, port: port2 }, [port2]).catch(reject)
      })
      const ask = async (request: readonly unknown[]): Promise<unknown> => {
        const reply = (await new Promise<unknown>(resolve => {
          replies.set(request[1], resolve)
          port1.postMessage([request])
        })) as readonly [number, number, { readonly name?: string } | number]
        const name = typeof reply[2] === 'object' ? reply[2]?.name : reply[2]
        answers.push(name)
        return reply[2]
      }
      // In one post with good ones, alone, and of no shape at all.
      port1.postMessage(null)
      port1.postMessage('text')
      const { connect, call, end, invalidate, detach, read } = kind
      port1.postMessage([null, 1, 'x', {}, [], [99], [99, 1], [call], [end], [read, 1]])
      const lease = await ask([connect, 100])
      for (const [i, method] of [
        'constructor',
        '__proto__',
        '_secret',
        'end',
        'close',
        Symbol.iterator.toString(),
        7,
        null,
      ].entries()) {
        await ask([call, 200 + i, lease, 0, method, []])
      }
      const others = honest as unknown as { self: unknown }
      const leaseOf = (require('node:util') as typeof import('node:util')).inspect(others).match(/lease: (\d+)/)![1]
      await ask([call, 300, Number(leaseOf), 0, 'whoami', []])
      await ask([invalidate, 301, Number(leaseOf), undefined, false])
      await ask([detach, 302, -1])
      await ask([call, 303, 'lease', 0, 'whoami', []])
      await ask([call, 304, lease, 5, 'whoami', []])
      await ask([read, 305, lease, 5, 'read'])
      await ask([call, 306, lease, 0, 'whoami', 'no array'])
      await ask([call, 307, lease, 0, 'whoami', [], 'no buffers'])
      await ask([call, 308, lease, 0, 'whoami', [], [1, {}]])
      const good = (await ask([call, 400, lease, 0, 'whoami', []])) as unknown
      port1.postMessage([[end, 0, lease, 'closed']])
      return { answers: answers.slice(1), good, honest: (await honest.whoami!()) as unknown, isValid: honest.isValid }
    }, kind)
    const refused = 'MethodNotAllowedError'
    expect(seen.answers).toEqual([
      ...Array(8).fill(refused),
      ...['StaleLeaseError', 'StaleLeaseError', 'ArgumentError', 'ArgumentError', 'StaleLeaseError', 'StaleLeaseError'],
      ...['ArgumentError', 'ArgumentError', 'ArgumentError', 2],
    ])
    expect(seen).toMatchObject({ good: 2, honest: 1, isValid: true })
    await eventually(() => pool.status().checkedout).toBe(1)
    expect(made.map(each => each.log)).toEqual([[], ['rollback']])
  })
})
