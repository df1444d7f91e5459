import { MethodNotAllowedError } from '../base/errors.ts'
import type { Dialect } from '../dialects/dialect.ts'

type Method = (this: object) => unknown

/**
 * The dialect of a pool that was given only a `creator`: rollback, commit and close are the object's own methods (behaviour 10).
 * It has no ping. A connection without the method asked for fails with a clear error, at the time it is asked.
 */
export const stubDialect: Dialect<object> = {
  name: 'stub',
  rollback: connection => method(connection, 'rollback'),
  commit: connection => method(connection, 'commit'),
  close: connection => method(connection, 'close'),
}

function method(connection: object, name: string): unknown {
  const own: unknown = Reflect.get(connection, name)
  if (typeof own === 'function') return (own as Method).call(connection)
  const remedy = name === 'close' ? '' : ", or resetOnReturn: 'none'"
  throw new MethodNotAllowedError(
    `The connection has no method '${name}'. Give the pool a dialect that knows better${remedy}.`,
  )
}
