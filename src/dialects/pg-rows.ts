import pgModule, { type Client } from 'pg'
import { EmptyRow, type PgResult } from './pg-empty-row.ts'
import { inside } from './pg-inside.ts'

/** What pg's own query keeps of its result. */
interface StockQuery {
  readonly callback: unknown
  readonly _result: PgResult
  _accumulateRows: unknown
  handleRowDescription(message: object): void
  _checkForMultirow(): void
  listenerCount(event: 'row'): number
}

const { prototype: stock } = (pgModule as unknown as { readonly Query: { readonly prototype: StockQuery } }).Query

/**
 * Does for a client what pg's own queries do when they hear of the columns of their rows, but for the object without a prototype
 * that they make each time to begin with: V8 keeps that as a dictionary, and to make and copy it takes an eighth of all the time that
 * this thread spends on a query of one row. Queries of any other class are left to pg.
 */
export function describeRows(client: Client): void {
  const { connection } = inside(client)
  const [slow] = connection.listeners('rowDescription')
  // Another pg may do it in another way.
  if (slow === undefined || typeof stock._checkForMultirow !== 'function') return
  const emptyRow = new EmptyRow()
  connection.off('rowDescription', slow)
  connection.on('rowDescription', message => {
    const query = inside(client)._activeQuery as StockQuery | null
    if (query?.handleRowDescription !== stock.handleRowDescription) return slow.call(connection, message)
    if (query._result._types === undefined) return slow.call(connection, message)
    query._checkForMultirow()
    emptyRow.describe(query._result, message.fields)
    query._accumulateRows = query.callback || query.listenerCount('row') === 0
  })
}
