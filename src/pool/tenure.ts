import { bug } from '../base/errors.ts'
import { slotFlag } from '../slots/layout.ts'
import type { SlotTable } from '../slots/slot-table.ts'
import { isLeased, leaseId, sessionOf, wordOfLease } from '../slots/state.ts'

/** A checkout's hold on its slot: the lease's number, and the one compare-and-set by which it can end. */
export class Tenure {
  /** The slot of this loan: the record's own, or a seat of its own where several can hold one record. */
  readonly slot: number
  readonly #recordSlot: number
  readonly #table: () => SlotTable
  readonly #session: number
  #lease = 0
  #generation = 0
  #closes = false

  constructor(table: () => SlotTable, slot: number, recordSlot: number, session: number, word?: number) {
    this.#table = table
    this.slot = slot
    this.#recordSlot = recordSlot
    this.#session = session
    this.renew(word)
  }

  /** The lease's number: slot, holder and loan in one. */
  get lease(): number {
    return this.#lease
  }

  /** The clock's reading when the connection began to open. */
  get generation(): number {
    return this.#generation
  }

  /** True as long as the slot is lent by just this lease. Only another thread can end one without the coordinator. */
  get isCurrent(): boolean {
    return this.#session === 0 || this.#table().word(this.slot) === wordOfLease(this.#lease)
  }

  get isSeat(): boolean {
    return this.slot !== this.#recordSlot
  }

  /** False when the record's connection is not the one that was lent, or is being closed: another holder has done that. */
  get isPresent(): boolean {
    if (!this.isSeat) return true
    const table = this.#table()
    return table.generation(this.#recordSlot) === this.#generation && table.state(this.#recordSlot) === 'leased'
  }

  /** True when it is this loan that closes the record's connection, and brings the record home. */
  get closes(): boolean {
    return this.#closes
  }

  /** Several hold the record, and this loan is the first to say that its connection must be closed: the record is `closing`. */
  takeRecord(): boolean {
    if (!this.isPresent) return false
    const table = this.#table()
    if (this.isSeat) table.step(this.#recordSlot, table.word(this.#recordSlot), 'closing')
    this.#closes = true
    return true
  }

  /** The slot's present loan is meant from now on: that of this word, if the slot is not ours alone to change. */
  renew(word: number = this.#table().word(this.slot)): void {
    if (this.isSeat) this.#table().copyOpening(this.#recordSlot, this.slot)
    this.#lease = leaseId(this.slot, word)
    this.#generation = this.#table().generation(this.slot)
    this.#closes = false
  }

  /**
   * Steps the slot away from the lease: whoever does it first has ended it. `any` means whatever loan the session has of this
   * slot by now: what ends a thread or a connection does not care for the number.
   */
  end(to: 'returning' | 'closing', which: 'exact' | 'any'): boolean {
    const table = this.#table()
    while (table.step(this.slot, wordOfLease(this.#lease), to) === -1) {
      if (this.#session === 0) throw bug(`lease ${this.#lease} was ended behind its checkout's back`)
      const word = table.word(this.slot)
      if (which === 'exact' || !isLeased(word) || sessionOf(word) !== this.#session) return false
      this.#lease = leaseId(this.slot, word)
    }
    if (to === 'closing') this.takeRecord()
    return true
  }

  /** A thread's close() must not pass by what is under way: from here on its return is the coordinator's business. */
  mark(): void {
    if (this.#session !== 0) this.#table().mark(this.slot, slotFlag.slow)
  }
}
