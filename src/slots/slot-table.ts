import { bug } from '../base/errors.ts'
import { Guard } from './guard.ts'
import { header, headerWords, layoutVersion, row, rowWords, slotFlag, tableFlag } from './layout.ts'
import { LeaseNotes } from './lease-notes.ts'
import { SessionRows, sessionWords } from './session-rows.ts'
import { isLeased, nextWord, type SlotState, sessionOf, stateOf } from './state.ts'

/** A table without a fixed size reserves address space for this many slots, and uses memory as it grows. */
const growthLimit = 65_536

/** Where the slots begin. */
const firstRow = headerWords + sessionWords

const bytes = (slots: number): number => (firstRow + slots * rowWords) * Int32Array.BYTES_PER_ELEMENT

/** Any of these, and the connection must be replaced before it is lent. */
const spent = slotFlag.stale | slotFlag.lost | slotFlag.retiring

/** Nobody says that he wants a connection for longer. */
const mostWantedMs = 1000

/** Counts of slots by state. */
export type SlotCounts = Record<SlotState, number>

/**
 * The one authority over the states of records: rows of Int32 words, in shared memory once the pool is shared.
 * `step()` is the only writer of a state, in every thread. There is no lock: a thread can be terminated between any two
 * instructions, so each word by itself says all that the coordinator needs to recover its slot.
 */
export class SlotTable {
  #words: Int32Array
  #sessions: SessionRows
  #notes: LeaseNotes
  /** Where the coordinator's own words are read: in its own memory, where this is its table. */
  #truth: Int32Array
  #guard: Guard | undefined
  /** Told, on the coordinator, of a slot whose word was no step of anybody's. It has been put right. */
  onForgery: ((slot: number) => void) | undefined
  readonly #threadsStep: boolean

  private constructor(words: Int32Array, threadsStep = true) {
    this.#threadsStep = threadsStep
    this.#words = words
    this.#truth = words
    this.#sessions = new SessionRows(words)
    this.#notes = new LeaseNotes(words, firstRow)
  }

  /** A new table in this thread's own memory. `growing`: it grows by `grow()`. `threadsStep`: threads may claim and return by themselves. */
  static create(slots: number | 'growing', threadsStep?: boolean): SlotTable {
    const size = bytes(slots === 'growing' ? 16 : slots)
    const room = slots === 'growing' ? { maxByteLength: bytes(growthLimit) } : undefined
    const words = new Int32Array(new ArrayBuffer(size, room) as ArrayBuffer)
    words[header.version] = layoutVersion
    words[header.capacity] = slots === 'growing' ? 16 : slots
    words[header.flags] = tableFlag.fastCheckin
    return new SlotTable(words, threadsStep)
  }

  /** The table of another thread, by the buffer that thread has shared. */
  static attach(buffer: SharedArrayBuffer): SlotTable {
    const words = new Int32Array(buffer)
    const version = words[header.version]
    if (version !== layoutVersion)
      throw bug(`slot table of layout ${version}, this copy of fairypool reads ${layoutVersion}`)
    return new SlotTable(words)
  }

  /** Copies the table to shared memory and returns that. Synchronous: nobody can be writing to the old words meanwhile. */
  share(): SharedArrayBuffer {
    const { buffer } = this.#words
    if (buffer instanceof SharedArrayBuffer) return buffer
    const room = buffer.resizable ? { maxByteLength: buffer.maxByteLength } : undefined
    const shared = new SharedArrayBuffer(buffer.byteLength, room)
    const words = new Int32Array(shared)
    words.set(this.#words)
    this.#words = words
    this.#sessions = new SessionRows(words, this.#truth)
    this.#guard = new Guard(this.#truth, words, this.#threadsStep, at => {
      const slot = (at - row.word - firstRow) / rowWords
      this.mark(slot, slotFlag.lost)
      this.onForgery?.(slot)
    })
    this.#notes = new LeaseNotes(words, firstRow)
    return shared
  }

  /** What is known of each attached thread. Look it up each time: `share()` moves it. */
  get sessions(): SessionRows {
    return this.#sessions
  }

  /** What is said about leases. Look it up each time as well. */
  get notes(): LeaseNotes {
    return this.#notes
  }

  /** Doubles a growing table, in place; false when it has a fixed size or has reached the limit. Coordinator only. */
  grow(): boolean {
    const { buffer } = this.#words
    const slots = Math.min(this.capacity * 2, growthLimit)
    const growable = buffer instanceof SharedArrayBuffer ? buffer.growable : buffer.resizable
    if (!growable || slots === this.capacity) return false
    if (buffer instanceof SharedArrayBuffer) buffer.grow(bytes(slots))
    for (const own of new Set([buffer, this.#truth.buffer])) if (own instanceof ArrayBuffer) own.resize(bytes(slots))
    this.#say(header.capacity, slots)
    return true
  }

  get capacity(): number {
    return Atomics.load(this.#truth, header.capacity)
  }

  /** State, holder and lease number of a slot, to compare and set against. */
  word(slot: number): number {
    const at = this.#row(slot) + row.word
    const word = Atomics.load(this.#words, at)
    return this.#guard === undefined ? word : this.#guard.judged(at, word)
  }

  state(slot: number): SlotState {
    return stateOf(this.word(slot))
  }

  /**
   * One compare-and-set against the table of allowed steps: the slot goes from exactly `word` to `to`, held by `session`.
   * Returns the new word, or -1 when the slot was not at `word` any more: someone else ended this lease, or claimed first.
   */
  step(slot: number, word: number, to: SlotState, session: number = sessionOf(word)): number {
    const next = nextWord(word, to, to === 'idle' || to === 'empty' ? 0 : session)
    const at = this.#row(slot) + row.word
    const guard = this.#guard
    // Whatever stands in the shared word: nobody else may have stepped.
    if (guard?.isOurs(at)) {
      if (guard.truth[at] !== word) return -1
      guard.put(at, next)
      return next
    }
    if (Atomics.compareExchange(this.#words, at, word, next) !== word) return -1
    if (guard) guard.truth[at] = next
    return next
  }

  /** Stamps the opening of a connection, before it begins: an invalidation during the open counts (behaviour 152). */
  stampOpening(slot: number, nowMs: number): void {
    const at = this.#row(slot)
    this.#say(at + row.opened, this.#tickClock())
    this.#say(at + row.openedSeconds, Math.floor(nowMs / 1000))
    this.#say(at + row.openedMs, Math.floor(nowMs % 1000))
    Atomics.and(this.#words, at + row.flags, slotFlag.retiring)
  }

  /** Takes over the stamps of another slot's opening. */
  copyOpening(from: number, to: number): void {
    const [source, target] = [this.#row(from), this.#row(to)]
    for (const word of [row.opened, row.openedSeconds, row.openedMs]) {
      this.#say(target + word, Atomics.load(this.#truth, source + word))
    }
  }

  /** Stamps a return: call it before the step to `idle` or `empty`, so that whoever sees the state sees its order. */
  stampReturn(slot: number): void {
    Atomics.store(this.#words, this.#row(slot) + row.returned, Atomics.add(this.#words, header.returns, 1) + 1)
  }

  /** Its holder is about to return it, and likely to want it again soon: who has others already leaves it alone that long. */
  wantUntil(slot: number, ms: number): void {
    Atomics.store(this.#words, this.#row(slot) + row.wanted, ms | 0)
  }

  isWanted(slot: number, nowMs: number): boolean {
    const ahead = (Atomics.load(this.#words, this.#row(slot) + row.wanted) - (nowMs | 0)) | 0
    // What was never said, or long ago, may look like the far future.
    return ahead > 0 && ahead < mostWantedMs
  }

  /** The monotonic time in milliseconds at which the present connection began to open. */
  openedAt(slot: number): number {
    const at = this.#row(slot)
    return Atomics.load(this.#truth, at + row.openedSeconds) * 1000 + Atomics.load(this.#truth, at + row.openedMs)
  }

  /** Negative when slot `a` came home before slot `b`. */
  compareReturns(a: number, b: number): number {
    const words = this.#words
    return (Atomics.load(words, this.#row(a) + row.returned) - Atomics.load(words, this.#row(b) + row.returned)) | 0
  }

  /** Condemns every connection whose open began before now. */
  invalidateAll(): void {
    // A tick that has come round to 0 would say that nothing was ever invalidated.
    this.#say(header.invalidation, this.#tickClock() || this.#tickClock())
  }

  /** The clock's reading when the slot's connection began to open: its generation. */
  generation(slot: number): number {
    return Atomics.load(this.#truth, this.#row(slot) + row.opened)
  }

  /** The clock's reading at the last invalidation of the pool; 0: never. */
  get invalidation(): number {
    return Atomics.load(this.#truth, header.invalidation)
  }

  /** True when a connection of this generation was opened before an invalidation of the pool: the last, or the last at some time. */
  isCondemned(generation: number, invalidation: number = this.invalidation): boolean {
    return invalidation !== 0 && ((generation - invalidation) | 0) < 0
  }

  /** Raises a flag of a slot. */
  mark(slot: number, flag: number): void {
    Atomics.or(this.#words, this.#row(slot) + row.flags, flag)
  }

  /** Lowers flags of a slot. */
  unmark(slot: number, flags: number): void {
    Atomics.and(this.#words, this.#row(slot) + row.flags, ~flags)
  }

  isMarked(slot: number, flags: number): boolean {
    return (Atomics.load(this.#words, this.#row(slot) + row.flags) & flags) !== 0
  }

  /** True when a slot's connection may be lent as it is, but for its age; or might have been, as far as invalidations of the pool go. */
  isFresh(slot: number, invalidation?: number): boolean {
    return !this.isMarked(slot, spent) && !this.isCondemned(this.generation(slot), invalidation)
  }

  get waiters(): number {
    return Atomics.load(this.#truth, header.waiters)
  }

  /** Coordinator only. */
  set waiters(count: number) {
    this.#say(header.waiters, count)
  }

  /** See `header.queued`. */
  get queued(): number {
    return Atomics.load(this.#truth, header.queued)
  }

  /** Coordinator only. */
  set queued(count: number) {
    this.#say(header.queued, count)
  }

  /** The table's flags, all at one moment. */
  get flags(): number {
    return Atomics.load(this.#truth, header.flags)
  }

  /** True when this flag of the table is up. */
  has(flag: number): boolean {
    return (this.flags & flag) !== 0
  }

  /** Coordinator only. */
  set(flag: number, on: boolean): void {
    this.#say(header.flags, on ? this.flags | flag : this.flags & ~flag)
  }

  /** How many slots a session holds. */
  heldBy(session: number): number {
    let held = 0
    for (let slot = 0, slots = this.capacity; slot < slots; slot++) {
      const word = this.word(slot)
      if (isLeased(word) && sessionOf(word) === session) held++
    }
    return held
  }

  /** How many slots are in each state; a snapshot that other threads may outdate while it is taken. */
  counts(): SlotCounts {
    const counts: SlotCounts = { empty: 0, opening: 0, idle: 0, reserved: 0, leased: 0, returning: 0, closing: 0 }
    for (let slot = 0; slot < this.capacity; slot++) counts[this.state(slot)]++
    return counts
  }

  /** The clock, one further. Coordinator only. */
  #tickClock(): number {
    const ticks = (Atomics.load(this.#truth, header.clock) + 1) | 0
    this.#say(header.clock, ticks)
    return ticks
  }

  /** Writes what only the coordinator writes. */
  #say(at: number, value: number): void {
    Atomics.store(this.#words, at, value)
    if (this.#guard) this.#truth[at] = value
  }

  /** Where a slot's row begins. Not measured by `capacity`: that is an atomic load more for each access. */
  #row(slot: number): number {
    const at = firstRow + slot * rowWords
    if (!(slot >= 0 && at < this.#words.length)) throw bug(`no slot ${slot}`)
    return at
  }
}
