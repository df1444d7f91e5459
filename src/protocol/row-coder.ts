import { toWireValue } from './wire-value.ts'

/** A result of rows, taken apart. */
export interface RowSet {
  /** What belongs to this one result: scalars. */
  readonly head: object
  /** What the driver says of the columns: objects of scalars, the same in every result of a statement. */
  readonly fields: readonly object[]
  readonly rows: readonly unknown[]
}

/** What all results of a statement have in common. */
export interface Shape {
  /** The names of what belongs to each result. */
  readonly head: readonly string[]
  readonly fields: readonly object[]
  /** The columns of rows that are objects; undefined: rows are arrays of `width`. */
  readonly names: readonly string[] | undefined
  readonly width: number
}

/** A result on the wire: its shape by number, its values in a row, those of the head first; the shape itself where the far side has not got it yet. */
export type WireRows = readonly [
  shape: number,
  count: number,
  values: readonly unknown[],
  newShape: Shape | undefined,
  buffers: readonly Uint8Array[] | undefined,
]

/** So many shapes are remembered, on both sides; then it begins anew. */
const mostShapes = 256

/**
 * Takes results apart, for one port. Structured clone writes the name of every column for every row, and seven facts about every
 * column for every result; here they travel once. One row of 1, 2, 3 columns takes 4 µs so, and 9 to 12 as it is; of 200 rows of
 * three columns it is a third.
 */
export class RowEncoder {
  readonly #shapes = new Map<string, number>()
  /** The shape of the last result: the next one is often like it, and to compare is quicker than to look up. */
  #last: { readonly shape: Shape; readonly number: number } | undefined

  /** Undefined: these rows are not all alike, or hold what only the serializer can judge. */
  encode({ head, fields, rows }: RowSet): WireRows | undefined {
    const names = namesOf(rows)
    if (names === 'unlike') return undefined
    const width = names ? names.length : (rows[0] as unknown[]).length
    const values = Object.values(head) as unknown[]
    if (values.some(isCompound)) return undefined
    const isFlat = names ? flattenObjects(rows, names, values) : flattenArrays(rows, width, values)
    if (!isFlat) return undefined
    const { value, buffers, nature } = toWireValue(values)
    if (nature !== 'plain') return undefined
    const [shape, newShape] = this.#shapeOf({ head: Object.keys(head), fields, names, width })
    return [shape, rows.length, value as readonly unknown[], newShape, buffers]
  }

  /** The shape's number, and the shape where the far side has not got it yet. */
  #shapeOf(shape: Shape): readonly [number, Shape | undefined] {
    if (this.#last && isLike(this.#last.shape, shape)) return [this.#last.number, undefined]
    const key = keyOf(shape)
    const known = this.#shapes.get(key)
    // Copied: they are the driver's, and may be changed by whoever gets the result.
    const kept = { ...shape, fields: shape.fields.map(field => ({ ...field })) }
    const number = known ?? this.#remember(key)
    this.#last = { shape: kept, number }
    return [number, known === undefined ? kept : undefined]
  }

  #remember(key: string): number {
    if (this.#shapes.size === mostShapes) this.#shapes.clear()
    const number = this.#shapes.size
    this.#shapes.set(key, number)
    return number
  }
}

/** Puts results together again, for one port. */
export class RowDecoder {
  readonly #shapes: Shape[] = []

  /** The result as the driver has given it: its head, `rows` and `fields`. */
  decode([number, count, values, newShape, buffers]: WireRows): object {
    if (newShape) this.#shapes[number] = newShape
    if (buffers) for (const buffer of buffers) Object.setPrototypeOf(buffer, Buffer.prototype)
    const { head, fields, names, width } = this.#shapes[number]!
    const result = objectOf(head, values, 0)
    const rows = new Array<unknown>(count)
    for (let i = 0, at = head.length; i < count; i++, at += width) {
      rows[i] = names ? objectOf(names, values, at) : values.slice(at, at + width)
    }
    result.rows = rows
    // Each result has fields of its own: whoever changes them changes nobody else's.
    result.fields = fields.map(field => ({ ...field }))
    return result
  }
}

function objectOf(names: readonly string[], values: readonly unknown[], at: number): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  for (let i = 0; i < names.length; i++) row[names[i]!] = values[at + i]
  return row
}

/** The columns of the first row, none if there is no row; undefined where rows are arrays. */
function namesOf(rows: readonly unknown[]): readonly string[] | undefined | 'unlike' {
  if (rows.length === 0) return []
  const [first] = rows
  if (Array.isArray(first)) return undefined
  if (!isRecord(first)) return 'unlike'
  const names = Object.keys(first)
  // Assigned to, it would change the row's prototype.
  return names.includes('__proto__') ? 'unlike' : names
}

const isCompound = (value: unknown): boolean => typeof value === 'object' && value !== null

/** False: they are not all alike. */
function flattenObjects(rows: readonly unknown[], names: readonly string[], values: unknown[]): boolean {
  for (const row of rows) {
    if (!isRecord(row)) return false
    let column = 0
    for (const name in row) {
      if (name !== names[column++]) return false
      values.push(row[name])
    }
    if (column !== names.length) return false
  }
  return true
}

function flattenArrays(rows: readonly unknown[], width: number, values: unknown[]): boolean {
  for (const row of rows) {
    if (!Array.isArray(row) || row.length !== width) return false
    for (const value of row) values.push(value)
  }
  return true
}

function isRecord(row: unknown): row is Record<string, unknown> {
  return typeof row === 'object' && row !== null && Object.getPrototypeOf(row) === Object.prototype
}

function isLike(a: Shape, b: Shape): boolean {
  if (a.width !== b.width || a.fields.length !== b.fields.length || (a.names === undefined) !== (b.names === undefined))
    return false
  if (!isSame(a.head, b.head) || (a.names && !isSame(a.names, b.names!))) return false
  for (let i = 0; i < a.fields.length; i++) if (!isAlike(a.fields[i] as Facts, b.fields[i] as Facts)) return false
  return true
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

type Facts = Readonly<Record<string, unknown>>

function isAlike(a: Facts, b: Facts): boolean {
  for (const fact in a) if (a[fact] !== b[fact]) return false
  for (const fact in b) if (!(fact in a)) return false
  return true
}

function keyOf({ head, fields, names, width }: Shape): string {
  let key = `${head.join('\u0001')}\u0004${names ? names.join('\u0001') : `\u0003${width}`}`
  for (const field of fields) {
    key += '\u0002'
    for (const fact of Object.values(field)) key += `${fact}\u0001`
  }
  return key
}
