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

interface Walk {
  /** What became of each object met so far. A ring that holds a Buffer is the one thing that keeps no identity. */
  readonly seen: Map<object, unknown>
  buffers: Uint8Array[] | undefined
  nature: 'plain' | 'foreign' | 'stuck'
}

/** A value as it should be posted. Only what contains a Buffer is copied; everything else is passed as it is. */
export function toWireValue(value: unknown): WireValue {
  const walk: Walk = { seen: new Map(), buffers: undefined, nature: 'plain' }
  const copy = visit(value, walk)
  return { value: copy, buffers: walk.buffers, nature: walk.nature }
}

/** The value on the far side, in place. */
export function fromWireValue(value: unknown, buffers: readonly Uint8Array[] | undefined): unknown {
  if (buffers) for (const buffer of buffers) Object.setPrototypeOf(buffer, Buffer.prototype)
  return value
}

function visit(value: unknown, walk: Walk): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') walk.nature = 'stuck'
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value) && !Buffer.isBuffer(value)) return value
  if (walk.seen.has(value)) return walk.seen.get(value)
  walk.seen.set(value, value)
  const copy = visitObject(value, walk)
  if (copy !== value) walk.seen.set(value, copy)
  return copy
}

function visitObject(value: object, walk: Walk): unknown {
  if (Buffer.isBuffer(value)) {
    const copy = new Uint8Array(value)
    walk.buffers ??= []
    walk.buffers.push(copy)
    return copy
  }
  if (Array.isArray(value)) return visitArray(value, walk)
  if (value instanceof Map) return visitMap(value, walk)
  if (value instanceof Set) return visitSet(value, walk)
  if (value instanceof Date) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return visitRecord(value as Record<string, unknown>, walk)
  if (walk.nature === 'plain') walk.nature = 'foreign'
  return value
}

function visitArray(array: readonly unknown[], walk: Walk): readonly unknown[] {
  let copy: unknown[] | undefined
  for (let i = 0; i < array.length; i++) {
    const item = array[i]
    if ((typeof item !== 'object' && typeof item !== 'function' && typeof item !== 'symbol') || item === null) continue
    const visited = visit(item, walk)
    if (visited === item) continue
    copy ??= [...array]
    copy[i] = visited
  }
  return copy ?? array
}

function visitRecord(record: Record<string, unknown>, walk: Walk): Record<string, unknown> {
  let copy: Record<string, unknown> | undefined
  for (const key in record) {
    const item = record[key]
    if ((typeof item !== 'object' && typeof item !== 'function' && typeof item !== 'symbol') || item === null) continue
    const visited = visit(item, walk)
    if (visited === item) continue
    copy ??= { ...record }
    copy[key] = visited
  }
  return copy ?? record
}

function visitMap(map: Map<unknown, unknown>, walk: Walk): Map<unknown, unknown> {
  const copy = [...map].map(([key, item]) => [key, visit(key, walk), item, visit(item, walk)] as const)
  const isSame = copy.every(([key, visitedKey, item, visited]) => key === visitedKey && item === visited)
  return isSame ? map : new Map(copy.map(([, key, , item]) => [key, item]))
}

function visitSet(set: Set<unknown>, walk: Walk): Set<unknown> {
  const copy = [...set].map(item => visit(item, walk))
  return copy.every(item => set.has(item)) ? set : new Set(copy)
}
