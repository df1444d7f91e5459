/** What a column of a result is called, and how its values come. */
export interface PgField {
  readonly name: string
  readonly dataTypeID: number
  readonly format: string
}

/** A row with these columns, all null, which pg copies for each row; made anew only when the columns are others than the last time. */
export class EmptyRow {
  #columns: readonly string[] = []
  #row: object = {}

  for(fields: readonly PgField[]): object {
    const columns = this.#columns
    const isSame = columns.length === fields.length && fields.every(({ name }, at) => name === columns[at])
    if (!isSame) {
      this.#columns = fields.map(({ name }) => name)
      this.#row = Object.fromEntries(this.#columns.map(name => [name, null]))
    }
    return this.#row
  }
}
