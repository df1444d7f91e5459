import pgModule, { type Client } from 'pg'
import { EmptyRow, type PgField } from './pg-empty-row.ts'
import { inside } from './pg-inside.ts'

type TypeParser = (value: unknown) => unknown

/** What pg's own query keeps of its result. */
interface StockQuery {
  readonly callback: unknown
  readonly _result: {
    fields: readonly PgField[]
    _parsers: readonly TypeParser[] | undefined
    _prebuiltEmptyResultObject: object | null
    readonly _types: { getTypeParser(oid: number, format: string): TypeParser } | undefined
  }
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
    query._checkForMultirow()
    const { _result: result } = query
    const { _types: types } = result
    if (types === undefined) return slow.call(connection, message)
    const { fields } = message
    result.fields = fields
    if (fields.length > 0) {
      result._parsers = fields.map(({ dataTypeID, format }) => types.getTypeParser(dataTypeID, format || 'text'))
    }
    result._prebuiltEmptyResultObject = emptyRow.for(fields)
    query._accumulateRows = query.callback || query.listenerCount('row') === 0
  })
}
