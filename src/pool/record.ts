import { monotonicMs } from '../base/clock.ts'
import { bug, InvalidRequestError } from '../base/errors.ts'
import { warn } from '../observe/warnings.ts'
import { slotFlag } from '../slots/layout.ts'
import { isIdle, isLeased, type SlotState, sessionOf, stateOf } from '../slots/state.ts'
import type { Attendance } from './attendance.ts'
import type { Checkout } from './checkout.ts'
import { announceClose, closeQuietly } from './closing.ts'
import { getConnection } from './connecting.ts'
import type { FinalizeCallback } from './finalize-callback.ts'
import { emitInvalidate, invalidateSoftly } from './invalidating.ts'
import type { Pool } from './pool.ts'

/**
 * One place in the pool for its whole life; it may hold several driver connections, one after another.
 * Its state is its slot's word and nothing else; only the facts that no other thread needs are here.
 */
export class ConnectionRecord<C extends object> {
  readonly slot: number
  /** Facts about the connection: emptied, in place, when it is replaced (behaviours 235-238). */
  readonly info: Map<string, unknown> = new Map()
  /** Facts about the record: they outlive its connections (behaviour 239). */
  readonly recordInfo: Map<string, unknown> = new Map()
  /** The driver's connection; undefined while there is none. */
  connection: C | undefined
  /** Who reads from the connection, while there is one. */
  attendance: Attendance<C> | undefined
  /** Opened for the present checkout, so it needs no ping (behaviour 166). */
  fresh = false
  /** The present loan, as far as the coordinator has heard of it: a thread that lends to itself tells nobody. See `loan`. */
  current: Checkout<C> | undefined
  /** How many connections have been opened here; 0: the record is new, and vanishes if its first open fails. */
  openings = 0
  readonly finalizeCallbacks: FinalizeCallback<C>[] = []
  /** Where several hold the record: the invalidate event of one, as long as its listeners run. */
  announcing: Promise<void> | undefined
  readonly #pool: Pool<C>
  /** The slot's word at the last loan that was made here: any other loan is one that a thread has made by itself. */
  #lentWord = -1

  constructor(pool: Pool<C>, slot: number) {
    this.#pool = pool
    this.slot = slot
    pool.slots.unmark(slot, slotFlag.retiring)
  }

  get state(): SlotState {
    return this.#pool.slots.state(this.slot)
  }

  /** True while a fairy holds this record's connection (behaviours 122, 123). */
  get inUse(): boolean {
    const { state } = this
    if (this.#sharers) return this.loan !== undefined
    return state === 'leased' || (state === 'returning' && this.current !== undefined)
  }

  /** The present loan, or one of several; one that a thread has made by itself is met here for the first time. */
  get loan(): Checkout<C> | undefined {
    if (this.current?.isValid) return this.current
    return this.#sharers?.find(checkout => checkout.isValid) ?? this.adopt()
  }

  /** True when the slot is lent by a thread's own claim. */
  get isClaimed(): boolean {
    return this.#isClaim(this.#pool.slots.word(this.slot))
  }

  /** True when the coordinator has not heard of that claim yet. */
  get isUnmet(): boolean {
    return this.isClaimed && this.current?.isValid !== true
  }

  /** Takes charge of a loan that a thread has made by itself. Undefined: there is none. */
  adopt(): Checkout<C> | undefined {
    // Looked at once: its thread may end it at any moment. Then what is met here is over, as its slot says.
    const word = this.#pool.slots.word(this.slot)
    const { current } = this
    if (!this.#isClaim(word) || current?.isValid) return undefined
    const session = sessionOf(word)
    if (current?.borrower.session === session && current.moveOn(word)) return current
    current?.supersede()
    return this.#pool.adopt(this, session, word)
  }

  /** Made before the last `dispose()`: it is closed when it comes home. */
  get isRetiring(): boolean {
    return this.#pool.slots.isMarked(this.slot, slotFlag.retiring)
  }

  /**
   * Says in the slot whether its return is the coordinator's business: a transaction may be open, or a callback waits.
   * Call it when nothing is under way on the connection, before whoever may return it can see that.
   */
  assess(): void {
    const isRead = this.#pool.handsOver && this.attendance?.isOn
    const isSlow = isRead || this.finalizeCallbacks.length > 0 || this.#pool.needsReset(this.connection)
    this.#pool.slots[isSlow ? 'mark' : 'unmark'](this.slot, slotFlag.slow)
  }

  /**
   * The record's connection, opened if there is none and replaced if it is stale (behaviour 106). For who has claimed the record
   * in `doGet()`; what is lent already is not replaced under its borrower (159).
   */
  async getConnection(): Promise<C> {
    const { connection, state } = this
    if (connection !== undefined && (this.loan || this.staleness === undefined)) return connection
    if (state !== 'opening' && state !== 'leased') {
      throw new InvalidRequestError(
        'A record opens a connection only for who has claimed it; it is at home, or on its way.',
      )
    }
    const session = sessionOf(this.#pool.slots.word(this.slot))
    await getConnection(this.#pool, this, session)
    return this.connection!
  }

  /** Gives the record back without a reset, as if its fairy had been lost and nothing were open; twice warns (behaviours 121, 124). */
  async checkin(): Promise<void> {
    const { loan } = this
    if (loan === undefined) {
      return warn('FAIRYPOOL_DOUBLE_CHECKIN', `Record ${this.slot} was checked in twice: it is not checked out.`)
    }
    await loan.handBack()
  }

  /** Closes the connection, under its borrower if need be; the record stays usable, and opens another at its next checkout (behaviour 112). */
  async close(): Promise<void> {
    const isMissed = this.#watch()
    const { loan, state } = this
    if (loan) {
      await loan.fail(undefined, 'announced')
      return isMissed() ? this.close() : undefined
    }
    if (this.#isAtRest) return this.#closeAtRest('polite')
    if (state === 'opening') return this.closeConnection('polite')
    if (state === 'returning') return this.shut('polite')
    // A record that has been dropped has no slot any more.
    if (this.connection === undefined || !this.reserve()) return isMissed() ? this.close() : undefined
    await this.shut('polite')
    this.become('empty')
    this.#pool.tidy()
  }

  /** When the present connection began to open, in milliseconds of the process's monotonic clock. */
  get lastConnectTime(): number {
    return this.#pool.slots.openedAt(this.slot)
  }

  /** Registers a callback for the next checkin of this connection (behaviour 241). */
  finalizeCallback(callback: FinalizeCallback<C>): void {
    this.finalizeCallbacks.push(callback)
    this.#pool.slots.mark(this.slot, slotFlag.slow)
  }

  /** Steps the slot; the caller holds it, so a lost race is a fault of ours. */
  become(to: SlotState, session?: number): void {
    if (!this.attempt(this.#pool.slots.word(this.slot), to, session)) {
      throw bug(`slot ${this.slot} changed under its holder on its way to ${to}`)
    }
  }

  /** Steps the slot from just this word; false when another thread was faster. */
  attempt(word: number, to: SlotState, session?: number): boolean {
    const next = this.#pool.slots.step(this.slot, word, to, session)
    if (next !== -1 && to === 'leased') this.#lentWord = next
    return next !== -1
  }

  /** From idle to `reserved`: nobody can borrow it then. False when another thread has borrowed it. */
  reserve(): boolean {
    const { slots } = this.#pool
    const word = slots.word(this.slot)
    return isIdle(word) && this.attempt(word, 'reserved')
  }

  /** Why the connection must be replaced before it is lent, or undefined (behaviours 106, 107). */
  get staleness(): 'lost' | 'age' | 'pool invalidated' | 'soft mark' | undefined {
    const { slots, settings } = this.#pool
    if (this.isLost) return 'lost'
    if (settings.recycleMs >= 0 && monotonicMs() - slots.openedAt(this.slot) > settings.recycleMs) return 'age'
    if (slots.isCondemned(slots.generation(this.slot))) return 'pool invalidated'
    return slots.isMarked(this.slot, slotFlag.stale) ? 'soft mark' : undefined
  }

  /** True when the driver has said that the connection is gone. */
  get isLost(): boolean {
    return this.connection !== undefined && this.#pool.slots.isMarked(this.slot, slotFlag.lost)
  }

  /**
   * Closes the connection; the slot becomes and stays `closing`, and the caller holds it until the record goes home or is
   * reopened: an `empty` slot is anybody's. Never fails: nobody who is done with a connection can do anything about a driver
   * that won't close it (behaviours 290, 291).
   */
  shut(manner: 'polite' | 'abrupt'): Promise<void> {
    this.become('closing')
    return this.closeConnection(manner)
  }

  /** The connection goes its own way. Callbacks were about it: the next one in this place must not meet them (behaviour 232). */
  letGo(): void {
    this.connection = undefined
    this.attendance = undefined
    this.current = undefined
    this.finalizeCallbacks.length = 0
  }

  /** `closing` to `opening` with nothing between: the record stays its borrower's. */
  reopen(session: number): void {
    if (this.state === 'closing') this.become('empty')
    this.become('opening', session)
  }

  /** The second half of `shut()`, for a slot that is `closing` already. */
  async closeConnection(manner: 'polite' | 'abrupt'): Promise<void> {
    const { connection } = this
    this.finalizeCallbacks.length = 0
    if (connection === undefined) return
    // A goodbye is a conversation. An abrupt end may find another thread's answer half read, which nobody could make sense of.
    if (manner === 'polite') this.attendance?.begin()
    await announceClose(this.#pool, connection, this)
    // Dropped before the driver is asked: whatever it does, nobody will use this connection again.
    this.connection = undefined
    this.attendance = undefined
    await closeQuietly(this.#pool, connection, manner)
  }

  /**
   * This connection is broken (`soft`: or will be, once its present user is done). When lent, its loan ends at once;
   * when idle, it is closed where it stands and reopened at its next checkout (behaviours 113-118).
   */
  async invalidate(error?: unknown, { soft = false }: { readonly soft?: boolean } = {}): Promise<void> {
    const isMissed = this.#watch()
    const { loan } = this
    if (loan) {
      await loan.invalidate(error, soft)
      return !soft && isMissed() ? this.invalidate(error) : undefined
    }
    const { connection, state } = this
    const isOurs = state === 'returning' || state === 'opening'
    const isReached = isOurs || state === 'idle' || this.#isAtRest
    if (connection === undefined || !isReached) return isMissed() ? this.invalidate(error, { soft }) : undefined
    if (soft) return invalidateSoftly(this.#pool, this, connection, error)
    if (isOurs) return this.#closeInvalidated(connection, error)
    if (this.#isAtRest) {
      await this.#pool.events.emit('invalidate', connection, this, error)
      if (this.connection === connection && this.#isAtRest) await this.#closeAtRest('abrupt')
      return
    }
    // Reserved first: nobody may borrow it while the listeners run. A thread that just has, has it taken away.
    if (!this.reserve()) return this.invalidate(error)
    try {
      await this.#closeInvalidated(connection, error)
    } finally {
      this.become(this.state === 'reserved' ? 'idle' : 'empty')
      this.#pool.tidy()
    }
  }

  /** Tells later whether a thread has ended or made a loan under our hands: then the connection lives on, idle or in its. */
  #watch(): () => boolean {
    const { slots } = this.#pool
    const generation = slots.generation(this.slot)
    return () => {
      if (this.connection === undefined || slots.generation(this.slot) !== generation || this.#sharers) return false
      const word = slots.word(this.slot)
      // Upkeep is looking at it: what is marked meanwhile is closed instead of put back.
      if (stateOf(word) === 'reserved') slots.mark(this.slot, slotFlag.stale)
      return isIdle(word) || this.#isClaim(word)
    }
  }

  #isClaim(word: number): boolean {
    return isLeased(word) && word !== this.#lentWord
  }

  /** Where several can hold a record, it is `leased` as long as it has a connection. */
  get #isAtRest(): boolean {
    return this.connection !== undefined && this.#sharers !== undefined && this.state === 'leased'
  }

  get #sharers(): readonly Checkout<C>[] | undefined {
    return this.#pool.sharersOf(this)
  }

  async #closeAtRest(manner: 'polite' | 'abrupt'): Promise<void> {
    await this.shut(manner)
    await this.#pool.returnConnection(this)
  }

  async #closeInvalidated(connection: C, error: unknown): Promise<void> {
    await emitInvalidate(this.#pool, this, connection, error)
    // A connect listener has refused it: whoever opens it has the slot, and sees that there is no connection any more (behaviour 128).
    if (this.state === 'opening') await this.closeConnection('abrupt')
    else await this.shut('abrupt')
  }
}
