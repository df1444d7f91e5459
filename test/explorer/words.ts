import { header, headerWords, row, rowWords, sessionRow, sessionRowWords } from '../../src/slots/layout.ts'
import { sessionWords } from '../../src/slots/session-rows.ts'
import { sessionOf, stateOf } from '../../src/slots/state.ts'

const firstRow = headerWords + sessionWords

/** Where a slot's word stands in the table. */
export const wordCell = (slot: number): number => firstRow + slot * rowWords + row.word

/** True for the cell of a slot's word. */
export const isWordCell = (cell: number): boolean => cell >= firstRow && (cell - firstRow) % rowWords === row.word

const nameIn = (names: Readonly<Record<string, number>>, offset: number): string =>
  Object.keys(names).find(name => names[name] === offset) ?? String(offset)

/** A word of the table, by name. */
export function nameOfCell(cell: number): string {
  if (cell < headerWords) return nameIn(header, cell)
  if (cell < firstRow) {
    const at = cell - headerWords
    return `${nameIn(sessionRow, at % sessionRowWords)} of session ${Math.floor(at / sessionRowWords)}`
  }
  const at = cell - firstRow
  return `${nameIn(row, at % rowWords)} of slot ${Math.floor(at / rowWords)}`
}

/** What stands in a word of the table. */
export function nameOfValue(cell: number, value: number): string {
  if (!isWordCell(cell)) return String(value)
  const holder = sessionOf(value) === 0 ? '' : ` by ${sessionOf(value)}`
  return `${stateOf(value)}${holder} #${value & 0x7ffff}`
}
