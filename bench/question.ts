/** A query of one row whose answer nobody else's query has. */
export const question = (id: number): string => `select ${id} as id`

/** A bench that does not look at its answers measures nothing: a wrong one ends it. */
export function checkAnswer(id: number, { rows }: { readonly rows: readonly unknown[] }): void {
  const answered = (rows[0] as { readonly id?: unknown } | undefined)?.id
  if (rows.length === 1 && answered === id) return
  throw new Error(`Asked for ${id} and got ${rows.length} rows, the first with ${String(answered)}.`)
}
