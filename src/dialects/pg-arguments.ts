import { ArgumentError } from '../base/errors.ts'

/** What tells the size of a value as it is written out, each time it stands there. Throws where that is too much. */
export type Weigh = (value: unknown) => void

/** The parts of a query's configuration that are data, and what each must be. Anything else is the driver's own and stays here. */
const parts: Readonly<Record<string, (value: unknown) => boolean>> = {
  text: isText,
  name: isText,
  values: Array.isArray,
  rowMode: value => value === 'array',
  queryMode: value => value === 'extended',
  binary: value => typeof value === 'boolean',
  rows: isCount,
  query_timeout: isCount,
}

/** PostgreSQL has no text with a NUL in it; in a message to the server it would end what stands there, and begin something else. */
function isText(value: unknown): boolean {
  return typeof value === 'string' && !value.includes('\0')
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31
}

/**
 * The arguments of a `query` or `cursor` that another thread has sent, as the driver may see them: pg believes what it is given,
 * and finds out in the middle of a socket's callback, where nobody could catch its error. @throws {ArgumentError}
 */
export function pgArguments(method: string, args: readonly unknown[], weigh: Weigh): readonly unknown[] {
  const [query, values] = args
  if (args.slice(method === 'cursor' ? 3 : 2).some(more => more !== undefined)) throw wrong(method)
  if (values !== undefined && values !== null && !Array.isArray(values)) throw wrong(method)
  weigh(values)
  if (isText(query)) return args
  if (method !== 'query' || typeof query !== 'object' || query === null) throw wrong(method)
  const config = dataOf(query)
  if (config.text === undefined && config.name === undefined) throw wrong(method)
  weigh(config.values)
  return [config, values]
}

function dataOf(query: object): Record<string, unknown> {
  if (Object.hasOwn(query, 'types') && Reflect.get(query, 'types') !== undefined)
    throw new ArgumentError("query({ types }): type parsers are functions, and can't come from another thread.")
  const data: Record<string, unknown> = {}
  for (const [name, isRight] of Object.entries(parts)) {
    const value: unknown = Object.hasOwn(query, name) ? Reflect.get(query, name) : undefined
    if (value === undefined || value === null) continue
    if (!isRight(value)) throw new ArgumentError(`query(config): ${name} is not what it can be.`)
    data[name] = value
  }
  return data
}

const wrong = (method: string): ArgumentError =>
  new ArgumentError(
    method === 'cursor'
      ? 'cursor(text, values, options): text must be a string without NUL, values an array.'
      : 'query(text | config, values): text must be a string without NUL, values an array.',
  )
