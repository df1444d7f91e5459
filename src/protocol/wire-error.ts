import { createRequire } from 'node:module'
import { PoolError, poolErrors } from '../base/errors.ts'
import { fromWireValue, toWireValue } from './wire-value.ts'

/**
 * An error as it travels. Structured clone keeps message, stack and cause, and loses class, `code` and all fields, so they are
 * written out here and the error is rebuilt on the far side.
 */
export interface WireError {
  readonly name: string
  /** One of this library's own: drivers have errors of the same names. */
  readonly ours: boolean
  readonly message: string
  readonly stack: string | undefined
  readonly fields: Readonly<Record<string, unknown>>
  readonly buffers: readonly Uint8Array[] | undefined
  readonly cause?: WireError | { readonly value: unknown }
  readonly errors?: readonly WireError[]
}

/** Thrown values that are no errors travel as they are. */
const thrownName = 'fairypool: thrown value'
const depthLimit = 8

/** Anything thrown, ready to be posted: never fails, whatever hangs on the error. */
export function toWireError(thrown: unknown): WireError {
  try {
    return read(thrown, 0)
  } catch {
    // A getter on it throws.
    return toWireError(new Error('The driver has thrown an error that could not be read.'))
  }
}

function read(thrown: unknown, depth: number): WireError {
  if (!(thrown instanceof Error)) {
    const value = isClonable(thrown) ? thrown : String(thrown)
    return { name: thrownName, ours: false, message: '', stack: undefined, fields: { value }, buffers: undefined }
  }
  const { value: fields, buffers } = toWireValue(fieldsOf(thrown))
  const { cause } = thrown
  const errors: unknown = Reflect.get(thrown, 'errors')
  const deeper = depth < depthLimit
  return {
    // Every DOMException is of one class; what it is, an abort for one, only its name says.
    name: thrown instanceof DOMException ? thrown.name : thrown.constructor.name || thrown.name,
    ours: thrown instanceof PoolError,
    message: String(thrown.message),
    stack: typeof thrown.stack === 'string' ? thrown.stack : undefined,
    fields: fields as Record<string, unknown>,
    buffers,
    ...(cause instanceof Error && deeper ? { cause: read(cause, depth + 1) } : {}),
    ...(cause !== undefined && !(cause instanceof Error) && isClonable(cause) ? { cause: { value: cause } } : {}),
    ...(Array.isArray(errors) && deeper ? { errors: errors.map(each => read(each, depth + 1)) } : {}),
  }
}

function fieldsOf(error: Error): Record<string, unknown> {
  const keys = Object.keys(error).filter(key => key !== 'cause' && key !== 'errors')
  const fields = keys.map(key => [key, Reflect.get(error, key) as unknown] as const)
  const own = Object.fromEntries(fields)
  // Together first: one by one, what they have in common would be cloned for each.
  return isClonable(own) ? own : Object.fromEntries(fields.filter(([, value]) => isClonable(value)))
}

/** The error on the far side: of its own class where this thread knows the class, with its fields, `code` and causes. */
export function fromWireError(wire: WireError): unknown {
  if (wire.name === thrownName) return wire.fields.value
  const error = new Error(wire.message)
  const ours = wire.ours ? poolErrors.get(wire.name)?.prototype : undefined
  const prototype = ours ?? builtIn(wire.name) ?? loadedClass(wire.name)
  if (prototype) Object.setPrototypeOf(error, prototype)
  else if (wire.name !== 'Error') define(error, 'name', wire.name)
  define(error, 'stack', wire.stack)
  fromWireValue(undefined, wire.buffers)
  for (const [key, value] of Object.entries(wire.fields)) {
    Object.defineProperty(error, key, { value, writable: true, enumerable: true, configurable: true })
  }
  if (wire.cause) define(error, 'cause', 'message' in wire.cause ? fromWireError(wire.cause) : wire.cause.value)
  if (wire.errors) define(error, 'errors', wire.errors.map(fromWireError))
  return error
}

function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, enumerable: false, configurable: true })
}

function isClonable(value: unknown): boolean {
  if (typeof value === 'function' || typeof value === 'symbol') return false
  if (typeof value !== 'object' || value === null) return true
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}

const builtIns: Readonly<Record<string, ErrorConstructor | AggregateErrorConstructor>> = {
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  EvalError,
  URIError,
  AggregateError,
}

const builtIn = (name: string): object | undefined =>
  Object.hasOwn(builtIns, name) ? builtIns[name]?.prototype : undefined

/** Where drivers define their error classes: looked up among the modules that this thread has loaded, never loaded for it. */
const driverErrors: Readonly<Record<string, RegExp>> = {
  DatabaseError: /[\\/]pg-protocol[\\/]dist[\\/](?:messages|index)\.js$/,
}

const found = new Map<string, object>()

/** A driver's error class, so that `instanceof pg.DatabaseError` holds where pg is loaded. */
function loadedClass(name: string): object | undefined {
  const pattern = Object.hasOwn(driverErrors, name) ? driverErrors[name] : undefined
  if (pattern === undefined) return undefined
  const known = found.get(name)
  if (known) return known
  const { cache } = createRequire(import.meta.url)
  for (const path in cache) {
    const Class: unknown = pattern.test(path) ? Reflect.get(Object(cache[path]?.exports), name) : undefined
    if (typeof Class === 'function') {
      found.set(name, Class.prototype as object)
      return Class.prototype as object
    }
  }
  return undefined
}
