import { beforeEach, expect, it } from 'vitest'
import { InvalidRequestError, MethodNotAllowedError, StaleLeaseError } from '../../src/base/errors.ts'
import type { BatchReader } from '../../src/dialects/dialect.ts'
import { kind, type Reply } from '../../src/protocol/messages.ts'
import { RowEncoder } from '../../src/protocol/row-coder.ts'
import { iteratorMethod } from '../../src/transports/allowed.ts'
import { type Callable, type CallRules, RemoteCallee } from '../../src/transports/remote-callee.ts'
import { settle } from '../support/observe.ts'

/** A statement of a driver: it stays where it is. */
class Statement {
  readonly text = 'select 1'
  run(): number {
    return 1
  }
  _secret(): number {
    return 2
  }
}

let replies: Reply[]
let called: unknown[]

beforeEach(() => {
  replies = []
  called = []
})

/** The calls of one lease, of a connection whose methods answer with what they are told. */
function calleeOf(connection: object | undefined, rules: CallRules = {}): RemoteCallee {
  const callable: Callable = {
    lease: 1,
    connection,
    retain() {},
    call(target, method, args, { resolve }) {
      called.push([method, ...args])
      resolve((Reflect.get(target, method) as (...args: readonly unknown[]) => unknown).apply(target, [...args]))
    },
    async read(args) {
      called.push(['cursor', ...args])
      return { read: async () => ({ rows: [], done: true }), close: async () => {} } as unknown as BatchReader
    },
  }
  return new RemoteCallee(
    callable,
    () => rules,
    reply => replies.push(reply),
    new RowEncoder(),
  )
}

const driver = { make: () => new Statement(), give: () => () => 'called', echo: (value: unknown) => value, size: 7 }

it('a connection that is closed is called no more', () => {
  expect(() => calleeOf(undefined).call(1, 0, 'echo', [])).toThrow(InvalidRequestError)
})

it('what is no method is not called', () => {
  for (const name of ['size', 'nothing', iteratorMethod.slice(2)])
    expect(() => calleeOf(driver).call(1, 0, name, [])).toThrow(MethodNotAllowedError)
  expect(called).toEqual([])
})

it('what a dialect does not list is not called, nor what no dialect can list', () => {
  const callee = calleeOf(driver, { methods: ['echo', 'constructor'] })
  for (const name of ['make', 'constructor']) expect(() => callee.call(1, 0, name, [])).toThrow(MethodNotAllowedError)
  callee.call(2, 0, 'echo', [7])
  expect([called, replies]).toEqual([[['echo', 7]], [[kind.answer, 2, 7, undefined]]])
})

it('a handle is called by its own methods only, and no more once it is let go', () => {
  const callee = calleeOf(driver)
  callee.call(1, 0, 'make', [])
  expect(replies).toEqual([[kind.handle, 1, 1, 1]])
  callee.call(2, 1, 'run', [])
  expect(replies.at(-1)).toEqual([kind.answer, 2, 1, undefined])
  for (const name of ['_secret', 'constructor', 'text'])
    expect(() => callee.call(3, 1, name, [])).toThrow(MethodNotAllowedError)
  callee.release(1)
  expect(() => callee.call(4, 1, 'run', [])).toThrow(StaleLeaseError)
  expect(() => callee.call(5, 99, 'run', [])).toThrow(StaleLeaseError)
})

it('a function that has stayed is not called, by whatever method', () => {
  const callee = calleeOf(driver)
  callee.call(1, 0, 'give', [])
  expect(replies).toEqual([[kind.handle, 1, 1, 1]])
  for (const name of ['call', 'apply', 'bind']) expect(() => callee.call(2, 1, name, [])).toThrow("can't be called")
})

it('the arguments of a call and of a cursor are those that the dialect admits', async () => {
  const callee = calleeOf(driver, { admit: (method, args) => [method, args.length] })
  callee.call(1, 0, 'echo', ['x', 'y'])
  callee.cursor(2, ['x'])
  expect(called).toEqual([
    ['echo', 'echo', 2],
    ['cursor', 'cursor', 1],
  ])
})

it('what a dialect does not admit reaches nothing', () => {
  const admit = (): never => {
    throw new InvalidRequestError('no')
  }
  const callee = calleeOf(driver, { admit })
  expect(() => callee.call(1, 0, 'echo', [])).toThrow('no')
  expect(() => callee.cursor(1, [])).toThrow('no')
  expect(called).toEqual([])
})

it('only a cursor is read, or closed, as one', async () => {
  const callee = calleeOf(driver)
  callee.call(1, 0, 'make', [])
  for (const what of ['read', 'close'] as const)
    expect(() => callee.read(2, 1, what)).toThrow('This handle is no cursor.')
  callee.cursor(3, [])
  await settle()
  expect(replies.at(-1)).toEqual([kind.answer, 3, 2, undefined])
  callee.read(4, 2, 'read')
  callee.read(5, 2, 'close')
  expect(() => callee.read(6, 2, 'read')).toThrow(StaleLeaseError)
})
