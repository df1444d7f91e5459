import { MessageChannel } from 'node:worker_threads'
import { expect, it, onTestFinished } from 'vitest'
import { ArgumentError } from '../../src/base/errors.ts'
import { isControlPort } from '../../src/coordinator/wall.ts'
import { kind } from '../../src/protocol/messages.ts'
import { checkRequest } from '../../src/protocol/request-check.ts'

/** A list with nothing in it but its length: to go through it takes minutes. */
const sparse = (...first: readonly unknown[]): unknown[] => Object.assign([...first], { length: 2 ** 32 - 1 })

const error = { name: 'Error', ours: false, message: 'x', stack: undefined, fields: {}, buffers: undefined }
const limitMs = 1000

it.each([
  ['the Buffers of a call', [kind.call, 1, 2, 0, 'query', [], sparse()]],
  ['those of a statement, behind one', [kind.query, 1, 'select 1', [], sparse(new Uint8Array(1)), null]],
  ['the arguments of a call', [kind.call, 1, 2, 0, 'query', sparse(), undefined]],
  ['the Buffers of an error', [kind.failed, 2, { ...error, buffers: sparse() }]],
  ['its errors', [kind.failed, 2, { ...error, errors: sparse() }]],
  ['what is held', [kind.held, sparse()]],
  ['the message itself', sparse(kind.freed)],
])('four billion gaps in %s are refused at once', (_what, message) => {
  const from = performance.now()
  expect(() => checkRequest(message)).toThrow(ArgumentError)
  expect(performance.now() - from).toBeLessThan(limitMs)
})

it('no port is looked for behind a gap', () => {
  const { port1 } = new MessageChannel()
  onTestFinished(() => port1.close())
  const from = performance.now()
  expect(isControlPort(port1, sparse())).toBe(false)
  expect(isControlPort(port1, sparse([kind.control, port1]))).toBe(true)
  expect(performance.now() - from).toBeLessThan(limitMs)
})
