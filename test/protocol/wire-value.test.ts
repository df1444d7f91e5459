import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromWireValue, toWireValue } from '../../src/protocol/wire-value.ts'

const { port1, port2 } = new MessageChannel()
port1.unref()
port2.unref()

/** What arrives on the other side of a real port. */
function trip<T>(value: T): T {
  const { value: posted, buffers } = toWireValue(value)
  port1.postMessage([posted, buffers])
  const [arrived, arrivedBuffers] = receiveMessageOnPort(port2)!.message as [unknown, Uint8Array[] | undefined]
  return fromWireValue(arrived, arrivedBuffers) as T
}

const pooled = (text: string): Buffer => Buffer.from(text)

describe('a Buffer that travels', () => {
  it.each([
    ['from the pool', pooled('abc')],
    ['of its own', Buffer.alloc(20_000, 7)],
    ['that is a part of another', Buffer.from('abcdef').subarray(2, 4)],
    ['that is empty', Buffer.alloc(0)],
    ['over shared memory', Buffer.from(new SharedArrayBuffer(4))],
  ])('is a Buffer with the same bytes: one %s', (_kind, buffer) => {
    const arrived = trip(buffer)
    expect(Buffer.isBuffer(arrived)).toBe(true)
    expect(arrived.equals(buffer)).toBe(true)
    expect(arrived.toString('hex')).toBe(buffer.toString('hex'))
  })

  it('carries nothing of the memory around it', () => {
    expect(pooled('abc').buffer.byteLength).toBeGreaterThan(3)
    expect(trip(pooled('abc')).buffer.byteLength).toBe(3)
    expect(trip({ rows: [{ data: pooled('abc') }] }).rows[0]!.data.buffer.byteLength).toBe(3)
  })

  it('stays one in arrays, objects, Maps and Sets, however deep', () => {
    const value = {
      list: [1, [pooled('a')]],
      nested: { deep: { data: pooled('b') } },
      map: new Map<unknown, unknown>([
        ['value', pooled('c')],
        [pooled('key'), { data: pooled('d') }],
      ]),
      set: new Set<unknown>([pooled('e'), 'text']),
    }
    const arrived = trip(value)
    expect(arrived).toEqual(value)
    const mapKeys = [...arrived.map.keys()]
    const found = [arrived.list[1], arrived.nested.deep.data, arrived.map.get('value'), mapKeys[1], [...arrived.set][0]]
    expect(found.flat().map(each => Buffer.isBuffer(each))).toEqual([true, true, true, true, true])
    expect(Buffer.isBuffer((arrived.map.get(mapKeys[1]) as { data: unknown }).data)).toBe(true)
  })

  it('is not made of what was none: a Uint8Array stays one, and so do other views', () => {
    const arrived = trip({ bytes: new Uint8Array([1, 2]), buffer: pooled('x'), view: new DataView(new ArrayBuffer(2)) })
    expect(Buffer.isBuffer(arrived.bytes)).toBe(false)
    expect(arrived.bytes).toEqual(new Uint8Array([1, 2]))
    expect(arrived.view).toBeInstanceOf(DataView)
  })

  it('leaves the original as it was, and what holds it', () => {
    const value = Object.freeze({ list: Object.freeze([pooled('abc')]) })
    trip(value)
    expect(Buffer.isBuffer(value.list[0])).toBe(true)
    expect(value.list[0]!.toString()).toBe('abc')
  })

  it('keeps its identity: one Buffer in two places is one there', () => {
    const one = pooled('abc')
    const arrived = trip({ a: one, b: [one] })
    expect(arrived.b[0]).toBe(arrived.a)
  })

  it('stays one inside an object that occurs twice, and that is one object there', () => {
    const inner = { data: pooled('abc') }
    const arrived = trip({ a: inner, b: inner })
    expect(Buffer.isBuffer(arrived.b.data)).toBe(true)
    expect(arrived.b).toBe(arrived.a)
  })

  it('stays one inside a ring, and brings nothing of the memory around it', () => {
    const ring: { data: Buffer; self?: unknown } = { data: pooled('abc') }
    ring.self = ring
    const arrived = trip(ring)
    expect(arrived.self).toBe(arrived)
    expect(Buffer.isBuffer((arrived.self as typeof ring).data)).toBe(true)
  })
})

describe('a value that travels', () => {
  it('is passed on as it is when it holds no Buffer', () => {
    const value = { rows: [{ id: 1, when: new Date(0) }], map: new Map([[1, { a: [2] }]]), set: new Set([3]) }
    expect(toWireValue(value)).toEqual({ value, buffers: undefined, nature: 'plain' })
    expect(toWireValue(value).value).toBe(value)
  })

  it.each([
    ['a Date', new Date(1234567)],
    ['a BigInt', 2n ** 70n],
    ['undefined', undefined],
    ['null', null],
    ['NaN', Number.NaN],
    ['-0', -0],
    ['a text', 'ß💥\u0000'],
    ['a RegExp', /x/gu],
    ['a Map', new Map<unknown, unknown>([[{ a: 1 }, new Date(1)]])],
    ['a Set', new Set([1, 'a', null])],
    ['a nest of all', { a: [1n, { b: new Map([[1, new Set([new Date(5)])]]) }], u: undefined }],
  ])('arrives as it was: %s', (_kind, value) => {
    expect(trip(value)).toStrictEqual(value)
    expect(trip({ value, data: pooled('x') }).value).toStrictEqual(value)
  })

  it('may have no prototype', () => {
    const value = Object.assign(Object.create(null) as Record<string, unknown>, { a: pooled('x') })
    const arrived = trip(value)
    expect(Object.keys(arrived)).toEqual(['a'])
    expect(Buffer.isBuffer(arrived.a)).toBe(true)
  })

  it.each<[what: string, of: (item: unknown) => unknown]>([
    ['array', item => Array(220).fill(item)],
    ['object', item => Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`key ${i}`, item]))],
  ])('may hold the same %s very often: it is not gone through each time', (_what, of) => {
    const value = of(of(of(of('end'))))
    const from = performance.now()
    const wire = toWireValue(value)
    expect(performance.now() - from).toBeLessThan(5000)
    expect([wire.value === value, wire.buffers, wire.nature]).toEqual([true, undefined, 'plain'])
  })

  it('may go round in a circle', () => {
    const value: { name: string; self?: unknown; list: unknown[] } = { name: 'ring', list: [] }
    value.self = value
    value.list.push(value.list)
    const arrived = trip(value)
    expect(arrived.self).toBe(arrived)
    expect(arrived.list[0]).toBe(arrived.list)
  })

  it('keeps identity: one object in two places is one there', () => {
    const inner = { a: 1 }
    const arrived = trip({ x: inner, y: [inner], z: pooled('z') })
    expect(arrived.y[0]).toBe(arrived.x)
  })

  it.each([
    ['a function', () => {}],
    ['a class', class {}],
    ['a symbol', Symbol('s')],
    ['a function in an array', [1, () => {}]],
    ['a function in an object', { a: { b: () => {} } }],
    ['a function beside a Buffer', { a: pooled('x'), b: () => {} }],
    ['a function in a Map', new Map([[1, () => {}]])],
    ['a function as the key of a Map', new Map([[() => {}, 1]])],
    ['a function in a Set', new Set([() => {}])],
  ])('is stuck when it holds %s: it is known before it is posted', (_kind, value) => {
    expect(toWireValue(value).nature).toBe('stuck')
  })

  it('is foreign when it is of a class of its own, stuck when a function comes to that', () => {
    expect(toWireValue([new (class Own {})()]).nature).toBe('foreign')
    expect(toWireValue([new (class Own {})(), () => {}]).nature).toBe('stuck')
    expect(toWireValue([() => {}, new (class Own {})()]).nature).toBe('stuck')
  })

  it('arrives as it was, whatever it is made of', () => {
    const leaf = fc.oneof(
      fc.constantFrom<unknown>(undefined, null, true, -0, Number.NaN),
      fc.integer(),
      fc.double(),
      fc.string(),
      fc.bigInt(),
      fc.date({ noInvalidDate: true }),
      fc.uint8Array({ maxLength: 20 }).map(bytes => Buffer.from(bytes)),
      fc.uint8Array({ maxLength: 20 }),
    )
    const { value: anything } = fc.letrec<{ value: unknown }>(tie => ({
      value: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leaf,
        fc.array(tie('value'), { maxLength: 5 }),
        fc.dictionary(fc.string(), tie('value'), { maxKeys: 5, noNullPrototype: true }),
        fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 4 }).map(entries => new Map(entries)),
        fc.array(tie('value'), { maxLength: 4 }).map(items => new Set(items)),
      ),
    }))
    fc.assert(
      fc.property(anything, value => {
        const copy = trip(value)
        expect(copy).toStrictEqual(value)
        expect(classesIn(copy)).toEqual(classesIn(value))
      }),
      { numRuns: 500 },
    )
  })
})

/** The classes of all objects in a value, in their order: `toEqual` takes a Uint8Array for a Buffer. */
function classesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  const own = value.constructor.name
  if (ArrayBuffer.isView(value) || value instanceof Date) return [own]
  const inside = value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : Object.values(value)
  return [own, ...inside.flatMap(classesIn)]
}
