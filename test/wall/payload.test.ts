import { MessageChannel } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { ArgumentError } from '../../src/base/errors.ts'
import { checkPayload } from '../../src/protocol/payload.ts'

const nested = (depth: number): unknown => {
  let value: unknown = 'end'
  for (let i = 0; i < depth; i++) value = { value }
  return value
}

/** Each holds the one before it ten times: small to send, endless to write out. */
function bomb(levels: number): unknown {
  let value: unknown = 'x'.repeat(100)
  for (let i = 0; i < levels; i++) value = Array(10).fill(value)
  return value
}

const ring = (): unknown => {
  const ring: unknown[] = [1]
  ring.push({ ring })
  return ring
}

/** A list with nothing in it but its length. */
const sparse = (): unknown => new Array(2 ** 32 - 1)

describe('what a message holds', () => {
  it.each([
    ['nothing', undefined],
    ['scalars', [1, 'x', null, undefined, true, 1n, Number.NaN, -0, 2 ** 53]],
    ['an array with holes', Object.assign([1], { length: 1025 })],
    ['a deep document', nested(900)],
    ['a ring', ring()],
    ['what stands in it very often', bomb(15)],
    ['bytes', [Buffer.alloc(1000), new Float64Array(10), new ArrayBuffer(10), new DataView(new ArrayBuffer(1))]],
    ['maps, sets, dates', [new Map([[{}, new Set([[1]])]]), new Date(), /x/, new Error('x')]],
    ['a key __proto__', JSON.parse('{"__proto__": {"a": 1}}')],
    ['many numbers', Array.from({ length: 1_000_000 }, (_, i) => i)],
  ])('may be %s', (_what, value) => {
    expect(() => checkPayload(value)).not.toThrow()
    expect(() => checkPayload([value])).not.toThrow()
  })

  it.each([
    ['four billion holes', sparse()],
    ['more holes than there are in any list', new Array(1025)],
    ['as many further in', [{ deep: new Map([['key', new Set([sparse()])]]) }]],
    ['as many behind some that are none', Object.assign([1, 2, 3], { length: 2 ** 32 - 1 })],
    ['a tower', nested(1100)],
    ['too many values', Array.from({ length: 9 }, () => Array(1_000_000).fill(1))],
    ['too much text', Array.from({ length: 30 }, (_, i) => `${i}`.padEnd(10_000_000))],
    ['one text that is too long', 'x'.repeat(2 ** 28 + 1)],
    ['too many bytes', [new Uint8Array(2 ** 28 + 1)]],
    ['as many in a mere ArrayBuffer', [new ArrayBuffer(2 ** 28 + 1)]],
    ['keys that are too long together', Array.from({ length: 300 }, () => ({ ['x'.repeat(1_000_000)]: 1 }))],
    ['four billion holes in the key of a map', new Map([[sparse(), 1]])],
    ['shared memory', [new SharedArrayBuffer(8)]],
    ['bytes in shared memory', [{ bytes: new Uint8Array(new SharedArrayBuffer(8)) }]],
    ['a Buffer in shared memory', [Buffer.from(new SharedArrayBuffer(8))]],
    ['a port', [new MessageChannel().port1]],
  ])('can not be %s', (_what, value) => {
    const from = performance.now()
    expect(() => checkPayload(value)).toThrow(ArgumentError)
    expect(performance.now() - from).toBeLessThan(5000)
  })
})

describe('what is written out', () => {
  it.each([
    ['a ring', ring()],
    ['what stands in it very often', bomb(15)],
    ['often and with holes', Array(1000).fill([Array(1000).fill(new Array(1000))])],
  ])('can not be %s', (_what, value) => {
    expect(() => checkPayload(value, 'each time')).toThrow(ArgumentError)
  })

  it('may hold the same thing twice', () => {
    expect(() => checkPayload(bomb(3), 'each time')).not.toThrow()
  })
})
