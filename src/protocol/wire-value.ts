/**
 * Structured clone turns a Buffer into a Uint8Array, and takes along the whole memory behind it: a pooled Buffer of 3 bytes
 * would carry 8 KiB of other people's data. So Buffers are copied to their own size and listed beside the value; within one
 * message identity is kept, and the far side gives the listed arrays their class back.
 */
export interface WireValue {
  readonly value: unknown
  /** The arrays in `value` that were Buffers; undefined when there are none. */
  readonly buffers: Uint8Array[] | undefined
  /** `plain` can be cloned for sure, `foreign` only the serializer knows, `stuck` has a function in it and can't be. */
  readonly nature: 'plain' | 'foreign' | 'stuck'
}

/** What a walk has found out. Numbers that are or-ed together: this is on the path of every call and every row. */
const plain = 0
const foreign = 1
const stuck = 2
const buffered = 4
/** Deeper than a result of rows, a ring, or more than can be there once: it has to be walked with a memory of what has been seen. */
const deep = 8

/** Result, rows, row, value: one level more, for an array or a small JSON document in a column. */
const shallow = 5

/** No heap has room for so many items, unless some stand in several places: then there may be no end of them. */
const most = 2 ** 23

/** So many more may be looked at without a memory. */
let left = 0

/** A value as it should be posted. Only what contains a Buffer is copied; everything else is passed as it is. */
export function toWireValue(value: unknown): WireValue {
  left = most
  let found = survey(value, shallow)
  if (found & deep) found = surveyDeep(value, new Set())
  const nature = found & stuck ? 'stuck' : found & foreign ? 'foreign' : 'plain'
  if (!(found & buffered)) return { value, buffers: undefined, nature }
  const buffers: Uint8Array[] = []
  return { value: copy(value, new Map(), buffers), buffers, nature }
}

/** The value on the far side, in place. */
export function fromWireValue(value: unknown, buffers: readonly Uint8Array[] | undefined): unknown {
  if (buffers) for (const buffer of buffers) Object.setPrototypeOf(buffer, Buffer.prototype)
  return value
}

/** Without a memory, so that nothing is allocated; gives up at once where it goes too deep. */
function survey(value: unknown, levels: number): number {
  if (typeof value === 'function' || typeof value === 'symbol') return stuck
  if (typeof value !== 'object' || value === null) return plain
  if (levels === 0) return deep
  let found = plain
  if (Array.isArray(value)) {
    left -= value.length
    if (left < 0) return deep
    for (const item of value) {
      if (isScalar(item)) continue
      found |= survey(item, levels - 1)
      if (found & deep) return deep
    }
    return found
  }
  const kind = kindOf(value)
  if (kind !== 'record') return kind === 'collection' ? deep : natures[kind]
  for (const key in value) {
    if (--left < 0) return deep
    const item: unknown = (value as Record<string, unknown>)[key]
    if (isScalar(item)) continue
    found |= survey(item, levels - 1)
    if (found & deep) return deep
  }
  return found
}

function surveyDeep(value: unknown, seen: Set<object>): number {
  if (typeof value === 'function' || typeof value === 'symbol') return stuck
  if (typeof value !== 'object' || value === null || seen.has(value)) return plain
  seen.add(value)
  const kind = kindOf(value)
  if (kind !== 'record' && kind !== 'collection') return natures[kind]
  let found = plain
  for (const item of itemsOf(value)) if (!isScalar(item)) found |= surveyDeep(item, seen)
  return found
}

type Kind = 'record' | 'collection' | 'buffer' | 'clonable' | 'foreign'

const natures = { buffer: buffered, clonable: plain, foreign } as const

const isScalar = (value: unknown): boolean =>
  value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')

function kindOf(value: object): Kind {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return 'record'
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) return 'collection'
  if (ArrayBuffer.isView(value)) return Buffer.isBuffer(value) ? 'buffer' : 'clonable'
  return value instanceof Date ? 'clonable' : 'foreign'
}

function itemsOf(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) return value
  return value instanceof Map ? [...value].flat() : Object.values(value)
}

/** Every container is copied, and registered before its contents are: a ring stays a ring. */
function copy(value: unknown, copies: Map<object, unknown>, buffers: Uint8Array[]): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (copies.has(value)) return copies.get(value)
  const again = (item: unknown): unknown => copy(item, copies, buffers)
  const register = <T>(twin: T): T => {
    copies.set(value, twin)
    return twin
  }
  if (Buffer.isBuffer(value)) {
    buffers.push(register(new Uint8Array(value)))
    return copies.get(value)
  }
  if (Array.isArray(value)) {
    const twin = register<unknown[]>([])
    // By index, so that holes stay holes.
    twin.length = value.length
    value.forEach((item, i) => {
      twin[i] = again(item)
    })
    return twin
  }
  if (value instanceof Set) {
    const twin = register(new Set<unknown>())
    for (const item of value) twin.add(again(item))
    return twin
  }
  if (value instanceof Map) {
    const twin = register(new Map<unknown, unknown>())
    for (const [key, item] of value) twin.set(again(key), again(item))
    return twin
  }
  if (kindOf(value) !== 'record') return value
  const twin = register<Record<string, unknown>>(Object.getPrototypeOf(value) === null ? Object.create(null) : {})
  for (const [key, item] of Object.entries(value)) {
    // A key '__proto__' of its own must stay one.
    Object.defineProperty(twin, key, { value: again(item), writable: true, enumerable: true, configurable: true })
  }
  return twin
}
