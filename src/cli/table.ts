/** Rows as aligned lines, indented by two. `sides` has a letter for each column: `l`eft or `r`ight. */
export function table(sides: string, rows: readonly (readonly string[])[]): string[] {
  const columns = [...sides].map((side, column) => ({
    side,
    width: Math.max(...rows.map(row => row[column]!.length)),
  }))
  return rows.map(row => {
    const cells = columns.map(({ side, width }, column) =>
      side === 'l' ? row[column]!.padEnd(width) : row[column]!.padStart(width),
    )
    return `  ${cells.join('   ')}`.trimEnd()
  })
}
