import { MessageChannel } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { ArgumentError } from '../../src/base/errors.ts'
import { kind } from '../../src/protocol/messages.ts'
import { checkRequest, idOf } from '../../src/protocol/request-check.ts'

/** A value that is right, and values that are not. */
type Part = readonly [right: unknown, wrong: readonly unknown[]]

const textless = { toString: null, valueOf: null }
const longWord = 'x'.repeat(1001)
const error = { name: 'Error', ours: false, message: 'm', stack: undefined, fields: {}, buffers: undefined }
const caused = (depth: number): object => (depth === 0 ? error : { ...error, cause: caused(depth - 1) })

const noNumbers = [-1, 1.5, 2 ** 53, Number.NaN, '1', textless, null, undefined, 7n, [1]]
const noFlags = [0, 1, 'yes', textless, null]
const noTexts = [7, textless, null, ['x']]
const noLists = ['x', textless, { length: 1 }, null, Array(65_537).fill(1), new Array(2 ** 32 - 1)]
const noBuffers = [
  ...[5, 'x', null, {}, { length: 0 }, new Uint8Array(1), [1], [{}], [null], [undefined], [[]], new Array(1)],
  ...[[new Float64Array(1)], [new DataView(new ArrayBuffer(1))], [new ArrayBuffer(1)], [new Uint8Array(1), 'x']],
]
const noErrors = [1, 'x', null, [], [error], new Map(), Object.create(error)]

const number: Part = [0, noNumbers]
const id: Part = [1, [...noNumbers, 0]]
const amount: Part = [1.5, [-1, 2 ** 31, Number.NaN, Number.POSITIVE_INFINITY, '1', textless, null, undefined]]
const list: Part = [[], [...noLists, undefined]]
const buffers: Part = [[new Uint8Array(1)], noBuffers]
const anError: Part = [error, [...noErrors, undefined]]

/** The parts of a request of each kind. */
const requests = {
  ask: [id],
  connect: [id],
  leave: [id],
  late: [id, amount, number, ['query', ['close', '', textless, null, undefined]]],
  freed: [],
  call: [id, number, number, ['anything', []], list, buffers],
  query: [
    id,
    ['select 1', [...noTexts, undefined]],
    [[], noLists],
    buffers,
    [null, [5, -1, '0', false, textless, Number.NaN]],
  ],
  end: [number, number, ['closed', ['died', 'expired', '', 7, textless, null, undefined]], [true, noFlags]],
  invalidate: [id, number, [undefined, noErrors], [true, [...noFlags, undefined]]],
  detach: [id, number],
  cursor: [id, number, list],
  read: [id, number, number, ['close', ['write', '', textless, null, undefined]]],
  release: [number, number],
  transport: [
    ['direct', ['relay', '', 7, textless, undefined]],
    ['why', [...noTexts, longWord]],
  ],
  handover: [id, number],
  adopted: [number],
  failed: [number, anError],
  collected: [amount, amount],
  held: [
    [
      [{ lease: 1 }],
      [...noLists, undefined, [1], [null], [undefined], [[]], [{}], new Array(1), Array(65_537).fill({ lease: 1 })],
    ],
  ],
  stands: [id, [2 ** 40, [-1, Number.NaN, Number.POSITIVE_INFINITY, '1', textless, null, undefined]]],
  control: [[new MessageChannel().port1, [null, 7, {}, textless, undefined, new MessageChannel()]]],
} as const satisfies Partial<Record<keyof typeof kind, readonly Part[]>>

const kinds = Object.keys(requests) as (keyof typeof requests)[]
const rightOf = (what: keyof typeof requests): unknown[] => [kind[what], ...requests[what].map(([right]) => right)]

const isAdmitted = (message: unknown): boolean => {
  try {
    checkRequest(message)
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(ArgumentError)
    return false
  }
}

describe.each(kinds)('a request of the kind %s', what => {
  it('is admitted as it should be', () => {
    expect(isAdmitted(rightOf(what))).toBe(true)
  })

  it.each(requests[what].map((_, part) => part + 1))('is refused for its part %i', part => {
    const [, wrong] = (requests[what] as readonly Part[])[part - 1]!
    expect(wrong.filter(value => isAdmitted(rightOf(what).with(part, value)))).toEqual([])
  })

  it('is refused with one part too many, or with none', () => {
    expect(isAdmitted([...rightOf(what), undefined])).toBe(false)
    expect(isAdmitted([kind[what]])).toBe(what === 'freed')
  })
})

it('what is of no kind that a thread may send is refused', () => {
  const ours = Object.entries(kind).filter(([name]) => !Object.hasOwn(requests, name))
  const wrong = [
    ...ours.map(([, number]) => number),
    -1,
    0.5,
    99,
    '4',
    'toString',
    '__proto__',
    textless,
    null,
    4n,
    [4],
  ]
  expect(wrong.filter(each => isAdmitted([each]))).toEqual([])
  expect([null, undefined, 4, 'x', textless, { 0: 4, length: 1 }, [], new Map()].filter(isAdmitted)).toEqual([])
})

it('what is refused has an answer by its own number only, and only where its kind is answered', () => {
  expect([kind.ask, kind.connect, kind.late, kind.call, kind.query, kind.end].map(what => idOf([what, 7]))).toEqual(
    Array(6).fill(7),
  )
  expect([kind.invalidate, kind.detach, kind.cursor, kind.read, kind.handover].map(what => idOf([what, 7]))).toEqual(
    Array(5).fill(7),
  )
  for (const number of [...noNumbers, 0]) expect(idOf([kind.ask, number])).toBe(0)
  const silent = [kind.leave, kind.freed, kind.release, kind.adopted, kind.failed, kind.stands, kind.answer, 99, '0']
  for (const what of silent) expect(idOf([what, 7])).toBe(0)
  expect(idOf({ 0: kind.ask, 1: 7 })).toBe(0)
})

describe('an error of another thread', () => {
  const isError = (error: unknown): boolean => isAdmitted([kind.failed, 1, error])
  it('may have a cause and errors, and they as well', () => {
    expect(isError({ ...caused(16), errors: [error, caused(3)] })).toBe(true)
    expect(isError({ ...error, cause: { value: undefined } })).toBe(true)
  })

  it.each<[field: string, wrong: readonly unknown[]]>([
    ['name', [...noTexts, undefined, longWord]],
    ['ours', [...noFlags, undefined]],
    ['message', [...noTexts, undefined]],
    ['stack', noTexts],
    ['fields', [1, 'x', null, undefined, [], new Map()]],
    ['buffers', noBuffers],
    ['cause', [...noErrors, {}, { ...error, fields: null }]],
    ['errors', ['x', null, {}, { length: 0 }, [1], [null], [undefined], new Array(1), [error, { ...error, name: 7 }]]],
  ])('is refused for its %s', (field, wrong) => {
    expect(wrong.filter(value => isError({ ...error, [field]: value }))).toEqual([])
    expect(wrong.filter(value => isError({ ...error, cause: { ...error, [field]: value } }))).toEqual([])
  })

  it('is not taken for a mere value where it would be rebuilt: each of its parts is looked at', () => {
    expect(isError({ ...error, cause: { ...error, value: 1, buffers: [{}] } })).toBe(false)
    expect(isError({ ...error, cause: { value: 1, message: 'm' } })).toBe(false)
  })

  it('is refused with causes without end', () => {
    const ring: Record<string, unknown> = { ...error }
    ring.cause = ring
    const ofErrors: Record<string, unknown> = { ...error }
    ofErrors.errors = [ofErrors]
    expect([caused(17), ring, ofErrors].filter(isError)).toEqual([])
  })

  it('is refused where it stands in itself very often: it is small to send, and endless to rebuild', () => {
    let bomb: object = error
    for (let i = 0; i < 5; i++) bomb = { ...error, errors: Array(10).fill(bomb) }
    expect(isError(bomb)).toBe(false)
    expect(isError({ ...error, errors: Array(1000).fill(error) })).toBe(true)
  })

  it('is refused where what hangs on many of them is too much, counted for each', () => {
    const much = Array(100_000).fill(1)
    const many = (of: object): object => ({
      ...error,
      errors: Array.from({ length: 100 }, () => ({ ...error, ...of })),
    })
    expect(isError(many({ fields: { much } }))).toBe(false)
    expect(isError(many({ cause: { value: much } }))).toBe(false)
    expect(isError({ ...error, errors: Array(300).fill({ ...error, message: 'x'.repeat(1_000_000) }) })).toBe(false)
    expect(isError({ ...error, errors: Array(300).fill({ ...error, stack: 'x'.repeat(1_000_000) }) })).toBe(false)
    expect(isError({ ...many({}), fields: { much, again: much } })).toBe(true)
  })
})

it('what a thread says of its leases is refused, each part of it', () => {
  const isHeld = (facts: object): boolean =>
    isAdmitted([
      kind.held,
      [
        { lease: 1, task: 't' },
        { lease: 1, ...facts },
      ],
    ])
  expect(isHeld({ task: 'task', stack: 'stack', statement: 'select 1' })).toBe(true)
  for (const lease of noNumbers) expect(isHeld({ lease })).toBe(false)
  for (const part of ['task', 'stack', 'statement']) {
    expect(noTexts.filter(text => isHeld({ [part]: text }))).toEqual([])
  }
})

describe('whatever its parts are, a message is refused', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(1))
  it.each<[what: string, message: readonly unknown[]]>([
    ['with shared memory in the arguments of a call', [kind.call, 1, 1, 0, 'query', [{ deep: shared }], undefined]],
    ['with shared memory for a method', [kind.call, 1, 1, 0, shared, [], undefined]],
    ['with a Buffer in shared memory', [kind.call, 1, 1, 0, 'query', [], [shared]]],
    ['with shared memory in the values of a statement', [kind.query, 1, 'select 1', [shared], undefined, undefined]],
    ['with shared memory in the arguments of a cursor', [kind.cursor, 1, 1, [shared]]],
    ['with shared memory in a field of an error', [kind.failed, 1, { ...error, fields: { shared } }]],
    ['with shared memory in what is held', [kind.held, [{ lease: 1, more: shared }]]],
    ['with a text that is too long', [kind.query, 1, 'x'.repeat(2 ** 28 + 1), undefined, undefined, undefined]],
    [
      'with two texts that are too long together',
      [kind.query, 1, 'x'.repeat(2 ** 27), ['x'.repeat(2 ** 27 + 1)], undefined, undefined],
    ],
  ])('%s', (_what, message) => {
    expect(isAdmitted(message)).toBe(false)
  })
})
