import type { Client } from 'pg'
import { checkOptions, isCount } from '../base/checks.ts'
import { ArgumentError } from '../base/errors.ts'
import type { BatchReader } from './dialect.ts'

/** Options of `cursor(text, values, options)`. */
export interface PgCursorOptions {
  /** Rows a round trip. Default 100. */
  readonly batchSize?: number
}

/** The npm package `pg-cursor`, an optional peer: loaded at the first cursor. */
async function loadCursor(): Promise<typeof import('pg-cursor')> {
  try {
    const module = (await import('pg-cursor')) as unknown as { readonly default: typeof import('pg-cursor') }
    return module.default
  } catch (cause) {
    throw new ArgumentError("cursor() needs the package 'pg-cursor': npm install pg-cursor", { cause })
  }
}

/** What the driver keeps but does not declare: true once the connection has ended, a tick before the event. */
const hasEnded = (client: Client): boolean => Reflect.get(client, '_ended') === true

/**
 * `work` of a cursor, or a failure when its connection ends first: a cursor that has had its last row, or is being closed, is
 * told nothing any more, and leaves whoever waits for it waiting.
 */
function whileConnected<T>(client: Client, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onEnd = (): void => reject(new Error('Connection terminated while a cursor was open'))
    client.once('end', onEnd)
    const settled = (): void => void client.off('end', onEnd)
    work.then(resolve, reject).finally(settled)
  })
}

/** Reads a query's rows in batches through a portal; the next batch is asked for when the one before has been used up. */
export async function readPgCursor(client: Client, args: readonly unknown[]): Promise<BatchReader> {
  const [text, values, options = {}] = args as [unknown, unknown, (PgCursorOptions | undefined)?]
  if (typeof text !== 'string') throw new ArgumentError('cursor(text, values, options): text must be a string.')
  if (values !== undefined && !Array.isArray(values))
    throw new ArgumentError('cursor(text, values, options): values must be an array.')
  checkOptions('cursor options', options, { batchSize: isCount(1) })
  const Cursor = await loadCursor()
  const cursor = new Cursor<unknown>(text, values ?? [])
  let isSent = false
  return {
    read() {
      // Not before it is read: while it was being made, its connection may have come home, and be somebody else's.
      if (!isSent) client.query(cursor)
      isSent = true
      return whileConnected(client, cursor.read(options.batchSize ?? 100))
    },
    async close() {
      try {
        if (isSent && !hasEnded(client)) await whileConnected(client, cursor.close())
      } catch (error) {
        // It went with its connection, and that is all a close is for.
        if (!hasEnded(client)) throw error
      }
    },
  }
}
