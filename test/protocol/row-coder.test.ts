import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RowDecoder, RowEncoder, type RowSet, type WireRows } from '../../src/protocol/row-coder.ts'

/** What a port does to a message. */
const clone = (message: WireRows): WireRows => structuredClone(message)

const fieldsOf = (names: readonly string[]): object[] => names.map((name, i) => ({ name, dataTypeID: 20 + i }))

const result = (names: readonly string[], rows: readonly unknown[]): RowSet => ({
  head: { command: 'SELECT', rowCount: rows.length },
  fields: fieldsOf(names),
  rows,
})

/** The result on the far side; undefined when it was not taken apart. */
function trip(set: RowSet, encoder = new RowEncoder(), decoder = new RowDecoder()): object | undefined {
  const wire = encoder.encode(set)
  return wire && decoder.decode(clone(wire))
}

const whole = ({ head, rows, fields }: RowSet): object => ({ ...head, rows, fields })

const many = (row: (i: number) => unknown, count = 20): unknown[] => Array.from({ length: count }, (_, i) => row(i))

const scalar = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.string(),
  fc.boolean(),
  fc.bigInt(),
  fc.constant(null),
  fc.constant(undefined),
)
const value = fc.oneof(
  { weight: 5, arbitrary: scalar },
  fc.date(),
  fc.array(scalar),
  fc.dictionary(fc.string(), scalar),
)

describe('a result of rows that travels in parts', () => {
  it('arrives as it was, rows that are objects', () => {
    const names = fc.uniqueArray(
      fc.string().filter(name => name !== '__proto__' && !/^\d+$/.test(name)),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(names, fc.array(fc.array(value, { minLength: 5, maxLength: 5 })), (names, data) => {
        const rows = data.map(values => Object.fromEntries(names.map((name, i) => [name, values[i]])))
        const set = result(names, rows)
        expect(trip(set)).toEqual(whole(set))
      }),
      { numRuns: 200 },
    )
  })

  it('arrives as it was, rows that are arrays', () => {
    const set = result(
      ['a', 'b'],
      many(i => [i, `row ${i}`]),
    )
    expect(trip(set)).toEqual(whole(set))
  })

  it('keeps its Buffers', () => {
    const arrived = trip(
      result(
        ['bytes'],
        many(i => ({ bytes: Buffer.from([i]) })),
      ),
    ) as { rows: { bytes: Buffer }[] }
    expect(arrived.rows.map(({ bytes }) => [Buffer.isBuffer(bytes), bytes[0]])).toEqual(many(i => [true, i]))
  })

  it('says its shape once, and each result has fields of its own', () => {
    const [encoder, decoder] = [new RowEncoder(), new RowDecoder()]
    const set = result(
      ['a'],
      many(a => ({ a })),
    )
    const [first, second] = [encoder.encode(set)!, encoder.encode(set)!]
    expect([first[3] === undefined, second[3] === undefined]).toEqual([false, true])
    const [one, two] = [decoder.decode(clone(first)), decoder.decode(clone(second))] as { fields: object[] }[]
    expect(two).toEqual(one)
    Object.assign(one!.fields[0]!, { name: 'changed' })
    expect((decoder.decode(clone(second)) as { fields: object[] }).fields).toEqual(two!.fields)
  })

  it('is told apart by its fields and names, however many shapes there are', () => {
    const [encoder, decoder] = [new RowEncoder(), new RowDecoder()]
    for (let round = 0; round < 3; round++) {
      for (let shape = 0; shape < 300; shape++) {
        const set = result(
          [`column ${shape}`],
          many(i => ({ [`column ${shape}`]: i })),
        )
        expect(trip(set, encoder, decoder)).toEqual(whole(set))
      }
    }
  })

  it.each([
    ['of one row', ['a'], [{ a: 1 }]],
    ['of one row that is an array', ['a', 'b'], [[1, null]]],
    ['of rows without columns', [], [{}, {}]],
    ['without rows', ['a', 'b'], []],
    ['without rows and columns', [], []],
  ])('is taken apart: one %s', (_what, names, rows) => {
    const [encoder, decoder] = [new RowEncoder(), new RowDecoder()]
    const set = result(names, rows)
    for (let i = 0; i < 3; i++) expect(trip(set, encoder, decoder)).toEqual(whole(set))
    expect(encoder.encode(set)![3]).toBeUndefined()
  })

  it('is told apart from the one before it by every fact of its fields', () => {
    const [encoder, decoder] = [new RowEncoder(), new RowDecoder()]
    const rows = [{ a: 1, b: 2, c: 3 }]
    const set = result(['a', 'b', 'c'], rows)
    const another = { ...set, fields: set.fields.map((field, at) => (at === 2 ? { ...field, dataTypeID: 25 } : field)) }
    const more = { ...set, fields: set.fields.map((field, at) => (at === 1 ? { ...field, extra: 1 } : field)) }
    const inArrays = { ...set, rows: [[1, 2, 3]] }
    const otherHead = { ...set, head: { rowCount: 1, oid: null } }
    const longerHead = { ...set, head: { ...set.head, oid: 5 } }
    const empty = { ...set, rows: [] }
    for (const each of [set, another, set, more, set, inArrays, set, otherHead, longerHead, set, empty, set]) {
      expect(trip(each, encoder, decoder)).toEqual(whole(each))
    }
  })

  it.each([
    ['rows of different columns', many(i => (i === 7 ? { a: 1, b: 2 } : { a: 1 }))],
    ['rows of different order', many(i => (i === 7 ? { b: 1, a: 2 } : { a: 1, b: 2 }))],
    ['rows that lack one', many(i => (i === 7 ? {} : { a: 1 }))],
    ['arrays of different length', many(i => (i === 7 ? [1, 2] : [1]))],
    ['arrays among objects', many(i => (i === 7 ? [1] : { a: 1 }))],
    ['a column that would change the prototype', many(() => JSON.parse('{"__proto__": 1}') as unknown)],
    ['objects of a class', many(() => new (class Row {})())],
    ['functions', many(() => ({ a: () => 1 }))],
    ['values of a class', many(() => ({ a: new (class Value {})() }))],
  ])('is not taken apart: %s', (_what, rows) => {
    expect(new RowEncoder().encode(result(['a'], rows))).toBeUndefined()
  })

  it('is not taken apart: a head that is more than scalars', () => {
    const set = { ...result(['a'], [{ a: 1 }]), head: { command: { name: 'SELECT' } } }
    expect(new RowEncoder().encode(set)).toBeUndefined()
  })
})
