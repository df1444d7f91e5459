/** What a column of a result is called, and how its values come. */
export interface PgField {
  readonly name: string
  readonly dataTypeID: number
  readonly format: string
}

type TypeParser = (value: unknown) => unknown

/** What pg keeps of a result while it is being filled. */
export interface PgResult {
  fields: readonly PgField[]
  _parsers: readonly TypeParser[] | undefined
  _prebuiltEmptyResultObject: object | null
  /** The client sets it. */
  readonly _types: { getTypeParser(oid: number, format: string): TypeParser } | undefined
}

/** A row with these columns, all null, which pg copies for each row; made anew only when the columns are others than the last time. */
export class EmptyRow {
  #columns: readonly string[] = []
  #row: object = {}

  /** Tells a result its columns, as pg's own `addFields()` does. Its types must be known. */
  describe(result: PgResult, fields: readonly PgField[]): void {
    result.fields = fields
    result._parsers = fields.map(({ dataTypeID, format }) => result._types!.getTypeParser(dataTypeID, format))
    result._prebuiltEmptyResultObject = this.#for(fields)
  }

  #for(fields: readonly PgField[]): object {
    const columns = this.#columns
    const isSame = columns.length === fields.length && fields.every(({ name }, at) => name === columns[at])
    if (!isSame) {
      this.#columns = fields.map(({ name }) => name)
      this.#row = Object.fromEntries(this.#columns.map(name => [name, null]))
    }
    return this.#row
  }
}
