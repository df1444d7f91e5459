import { row, rowWords } from './layout.ts'

/**
 * What is said about one lease of a slot, beside its word: since when it has been out, and that it was taken away. Each note bears the
 * word of its lease, so one of an earlier lease says nothing about a later one. Nothing is decided by them but what people are told.
 */
export class LeaseNotes {
  readonly #words: Int32Array
  readonly #firstRow: number

  constructor(words: Int32Array, firstRow: number) {
    this.#words = words
    this.#firstRow = firstRow
  }

  /** The lease of this word has been out since then, monotonic milliseconds. Its holder's thread says so, once it is not new any more. */
  noteSince(slot: number, word: number, ms: number): void {
    const at = this.#row(slot)
    // Time first: whoever reads the word reads its time.
    Atomics.store(this.#words, at + row.since, ms | 0)
    Atomics.store(this.#words, at + row.sinceWord, word)
  }

  /** For how long the lease of this word has been out, up to 24 days; undefined: nobody has said. */
  heldMs(slot: number, word: number, nowMs: number): number | undefined {
    const at = this.#row(slot)
    if (Atomics.load(this.#words, at + row.sinceWord) !== word) return undefined
    return Math.max(0, ((nowMs | 0) - Atomics.load(this.#words, at + row.since)) | 0)
  }

  /** The lease of this word is about to be taken away for lasting too long: said first, so that whoever finds it ended finds out why. */
  noteTaken(slot: number, word: number): void {
    Atomics.store(this.#words, this.#row(slot) + row.takenWord, word)
  }

  /** True for the last lease of this slot that was taken away so. */
  isTaken(slot: number, word: number): boolean {
    return Atomics.load(this.#words, this.#row(slot) + row.takenWord) === word
  }

  #row(slot: number): number {
    return this.#firstRow + slot * rowWords
  }
}
