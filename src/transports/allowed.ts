import { MethodNotAllowedError } from '../base/errors.ts'

/** Never called for a worker, whatever a dialect says: they lead out of the connection, or end what is the pool's to end. */
const forbidden: ReadonlySet<string> = new Set([
  ...['prototype', 'end', 'destroy', 'release', 'close'],
  // What every object has, `constructor` and `__proto__` among it: none of it is a driver's.
  ...Object.getOwnPropertyNames(Object.prototype),
])

/** No driver's method has a longer one. */
const longestName = 100

/** The call that stands for `[Symbol.asyncIterator]()`: symbols can't travel. */
export const iteratorMethod = '@@asyncIterator'

/** Refuses a method that a worker may not call. `methods` undefined: the dialect allows all but the forbidden. */
export function checkMethod(method: unknown, methods: readonly string[] | undefined): asserts method is string {
  const isName = typeof method === 'string' && method.length <= longestName
  if (isName && !forbidden.has(method) && !method.startsWith('_')) {
    if (methods === undefined || methods.includes(method)) return
  }
  const known = methods ? ` It can call ${methods.join(', ')}.` : ''
  const named = typeof method === 'string' ? `'${method.slice(0, longestName)}'` : `a ${typeof method}`
  throw new MethodNotAllowedError(`A worker can't call ${named} of this connection.${known}`)
}

/** Refuses a name that would lead out of a handle's object. */
export function checkHandleMethod(method: unknown): asserts method is string {
  const ends = method === 'end' || method === 'destroy' || method === 'close' || method === 'release'
  if (!ends) checkMethod(method, undefined)
}
