import type { Note, Reached, Step } from './replay.ts'

/** So many different words may be accessed by all threads together. */
export const mostCells = 128

/** A set of words, by their numbers in the exploration. */
export class Cells {
  readonly #bits = new Int32Array(mostCells / 32)

  has(cell: number): boolean {
    return ((this.#bits[cell >> 5]! >> (cell & 31)) & 1) === 1
  }

  /** False: it was in the set already. */
  add(cell: number): boolean {
    if (this.has(cell)) return false
    this.#bits[cell >> 5]! |= 1 << (cell & 31)
    return true
  }
}

/**
 * What a thread has seen so far, as a node of the tree of all that it may see: its local state, for programs are deterministic.
 * Each knows which words its thread may access from there on, as far as that is known.
 */
export class Position {
  readonly id: number
  readonly next: Step | undefined
  readonly notes: readonly Note[]
  readonly fault: string | undefined
  readonly children = new Map<number, Position>()
  readonly touches = new Cells()
  readonly writes = new Cells()
  readonly #parent: Position | undefined
  readonly #result: number

  constructor(id: number, reached: Reached, parent?: Position, result = 0) {
    this.id = id
    this.next = reached.next
    this.notes = reached.notes
    this.fault = reached.fault
    this.#parent = parent
    this.#result = result
  }

  /** What the steps that led here have returned. */
  get log(): number[] {
    const log: number[] = []
    for (let at: Position = this; at.#parent; at = at.#parent) log.push(at.#result)
    return log.reverse()
  }

  /** This new place's step is on this word: all that led here may access it. True when that is news to any of them. */
  foresee(cell: number, isWrite: boolean): boolean {
    let isNews = false
    for (let at: Position | undefined = this; at; at = at.#parent) {
      const isNew = at.touches.add(cell)
      const isNewWrite = isWrite && at.writes.add(cell)
      if (!isNew && !isNewWrite) break
      if (at !== this) isNews = true
    }
    return isNews
  }
}
