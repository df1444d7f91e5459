import { MethodNotAllowedError } from '../base/errors.ts'

/** Never called for a worker, whatever a dialect says: they lead out of the connection, or end what is the pool's to end. */
const forbidden = new Set(['constructor', '__proto__', 'prototype', 'end', 'destroy', 'release', 'close'])

/** The call that stands for `[Symbol.asyncIterator]()`: symbols can't travel. */
export const iteratorMethod = '@@asyncIterator'

/** Refuses a method that a worker may not call. `methods` undefined: the dialect allows all but the forbidden. */
export function checkMethod(method: unknown, methods: readonly string[] | undefined): asserts method is string {
  if (typeof method === 'string' && !forbidden.has(method) && !method.startsWith('_')) {
    if (methods === undefined || methods.includes(method)) return
  }
  const known = methods ? ` It can call ${methods.join(', ')}.` : ''
  throw new MethodNotAllowedError(`A worker can't call '${String(method)}' of this connection.${known}`)
}

/** Refuses a name that would lead out of a handle's object. */
export function checkHandleMethod(method: unknown): asserts method is string {
  const ends = method === 'end' || method === 'destroy' || method === 'close' || method === 'release'
  if (!ends) checkMethod(method, undefined)
}
