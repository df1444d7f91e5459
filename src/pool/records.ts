import { InvalidRequestError } from '../base/errors.ts'
import type { SlotState } from '../slots/state.ts'
import type { Pool } from './pool.ts'
import { ConnectionRecord } from './record.ts'

/** At home: idle, or emptied and waiting to be reopened. */
export const isHome = ({ state }: { readonly state: SlotState }): boolean => state === 'idle' || state === 'empty'

/** A pool's records, by slot. All counts are taken from here and from the slots, so none can drift. */
export class Records<C extends object> implements Iterable<ConnectionRecord<C>> {
  readonly #pool: Pool<C>
  /** A hole is a slot that no record uses. */
  readonly #bySlot: (ConnectionRecord<C> | 'seat' | undefined)[] = []
  /** Who waits for records to be dropped: which are left. */
  readonly #watches = new Map<Set<ConnectionRecord<C>>, () => void>()
  #size = 0

  constructor(pool: Pool<C>) {
    this.#pool = pool
  }

  get size(): number {
    return this.#size
  }

  *[Symbol.iterator](): IterableIterator<ConnectionRecord<C>> {
    for (const each of this.#bySlot) if (each instanceof ConnectionRecord) yield each
  }

  at(slot: number): ConnectionRecord<C> | undefined {
    const found = this.#bySlot[slot]
    return found instanceof ConnectionRecord ? found : undefined
  }

  /** How many records are at home, but for one. */
  home(except?: ConnectionRecord<C>): number {
    let home = 0
    for (const record of this) if (record !== except && isHome(record)) home++
    return home
  }

  /** A new record, claimed for a session: its slot is `opening`. Undefined: every place is taken. */
  create(session: number): ConnectionRecord<C> | undefined {
    const slot = this.#freeSlot()
    if (slot === undefined) return undefined
    const record = new ConnectionRecord<C>(this.#pool, slot)
    this.#bySlot[slot] = record
    this.#size++
    this.#pool.custody.begin()
    record.become('opening', session)
    return record
  }

  /** Forgets a record whose slot is `closing`: the place is free. */
  drop(record: ConnectionRecord<C>): void {
    record.become('empty')
    this.#bySlot[record.slot] = undefined
    this.#size--
    for (const [left, done] of this.#watches) {
      if (!left.delete(record) || left.size > 0) continue
      this.#watches.delete(left)
      done()
    }
  }

  /** Settles when none of these is here any more. */
  async dropped(records: readonly ConnectionRecord<C>[]): Promise<void> {
    const left = new Set(records.filter(record => this.at(record.slot) === record))
    if (left.size > 0) await new Promise<void>(resolve => this.#watches.set(left, resolve))
  }

  /** A slot for one loan of a record that many share (see `SharedRecordPool`). */
  takeSeat(): number {
    const slot = this.#freeSlot()
    if (slot === undefined) throw new InvalidRequestError('65,536 connections are checked out, and that is the most.')
    this.#bySlot[slot] = 'seat'
    return slot
  }

  freeSeat(slot: number): void {
    this.#bySlot[slot] = undefined
  }

  #freeSlot(): number | undefined {
    const hole = this.#bySlot.indexOf(undefined)
    const slot = hole === -1 ? this.#bySlot.length : hole
    return slot < this.#pool.slots.capacity || this.#pool.slots.grow() ? slot : undefined
  }
}
