/** A query whose answer nobody else's query has. */
export function question(id: number, rows: number): string {
  if (rows === 1) return `select ${id} as id`
  return `select ${id} as id, g as number, 'row ' || g as name from generate_series(1, ${rows}) g`
}

/** The same as one statement for all ids: `id` is its only value. */
export const oneShot = 'select $1::int as id'

/** A bench that does not look at its answers measures nothing: a wrong one ends it. */
export function checkAnswer(id: number, rows: number, { rows: got }: { readonly rows: readonly unknown[] }): void {
  const first = idOf(got[0])
  const last = idOf(got.at(-1))
  if (got.length === rows && first === id && last === id) return
  throw new Error(`Asked for ${rows} × ${id} and got ${got.length} rows, ${String(first)} to ${String(last)}.`)
}

const idOf = (row: unknown): unknown => (row as { readonly id?: unknown } | undefined)?.id
