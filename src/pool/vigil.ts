import { Ticker } from '../base/ticker.ts'
import { anyoneWaits, isAllSpokenFor } from '../slots/fair-share.ts'
import type { SlotTable } from '../slots/slot-table.ts'
import { isIdle } from '../slots/state.ts'

/** How often the slots are looked at while requests stand. */
const lookMs = 10

/** What a vigil tells. */
export interface VigilOwner {
  /** A connection has been idle for a whole interval though somebody waits. */
  neglected(): void
  /** Requests stand, and for a whole interval nobody has waited. */
  quiet(): void
}

/**
 * Threads hand connections to each other without a word to the coordinator: whoever returns one rings whose turn it is. A thread
 * that is rung may be busy, or die, so while requests stand the coordinator looks whether anything lies idle for long.
 */
export class Vigil {
  readonly #slots: () => SlotTable
  readonly #owner: VigilOwner
  readonly #ticker = new Ticker(lookMs, () => this.#look())
  /** By slot: its word at the last look. */
  readonly #seen: number[] = []
  #wasQuiet = false
  /** What is idle now goes to whoever is first in line here: nobody has come for it. */
  #isOver = false

  constructor(slots: () => SlotTable, owner: VigilOwner) {
    this.#slots = slots
    this.#owner = owner
  }

  /** A request of another thread stands. */
  keep(): void {
    if (this.#ticker.isRunning) return
    this.#seen.length = 0
    this.#wasQuiet = false
    this.#ticker.start()
  }

  /** None stands any more. */
  end(): void {
    this.#ticker.stop()
  }

  /** True when what is idle is to be left to the threads that have been rung for it. */
  get isAllSpokenFor(): boolean {
    return !this.#isOver && isAllSpokenFor(this.#slots())
  }

  #look(): void {
    const slots = this.#slots()
    const isQuiet = !anyoneWaits(slots)
    const isNeglected = this.#isAnythingLeft(slots)
    if (isQuiet && this.#wasQuiet) this.#owner.quiet()
    this.#isOver = true
    if (!isQuiet && isNeglected) this.#owner.neglected()
    this.#isOver = false
    this.#wasQuiet = isQuiet
  }

  /** True when a connection is idle, and has been since the last look: a loan would have raised the number in its word. */
  #isAnythingLeft(slots: SlotTable): boolean {
    let isAnything = false
    for (let slot = 0; slot < slots.capacity; slot++) {
      const word = slots.word(slot)
      if (isIdle(word) && word === this.#seen[slot]) isAnything = true
      this.#seen[slot] = word
    }
    return isAnything
  }
}
