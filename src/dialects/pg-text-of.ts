/** The text of a query or a cursor of pg's, however it is given: `(text, values)`, `({ text, values })`, or an object that submits itself. */
export function pgTextOf(method: string | symbol, [first]: readonly unknown[]): string | undefined {
  if (method !== 'query' && method !== 'cursor') return undefined
  if (typeof first === 'string') return first
  const text: unknown = typeof first === 'object' && first !== null ? Reflect.get(first, 'text') : undefined
  return typeof text === 'string' ? text : undefined
}
