import { Bells } from './bells.ts'
import { header, headerWords, sessionRow, sessionRowWords } from './layout.ts'
import { maxSession } from './state.ts'

/** Words of all sessions' rows: they stand between the header and the slots. */
export const sessionWords: number = (maxSession + 1) * sessionRowWords

/**
 * What each attached thread says of itself, and the coordinator of it. Every word has one writer, so none needs a
 * compare-and-set, and the row of a thread that dies is the coordinator's to clear.
 */
export class SessionRows {
  readonly #words: Int32Array
  /** Where the coordinator's own words are read: see `SlotTable`. */
  readonly #truth: Int32Array
  readonly bells: Bells

  constructor(words: Int32Array, truth: Int32Array = words) {
    this.#words = words
    this.#truth = truth
    this.bells = new Bells(words)
  }

  /** A thread has attached under this number. Coordinator only. */
  open(session: number, threadId: number): void {
    this.#say(session, sessionRow.threadId, threadId)
    this.#say(session, sessionRow.asks, 0)
    this.setWaiting(session, 0)
    this.#store(session, sessionRow.direct, 0)
    this.bells.open(session)
    this.#say(session, sessionRow.served, 0)
    this.#say(session, sessionRow.open, 1)
    if (session <= this.last) return
    Atomics.store(this.#truth, header.sessions, session)
    Atomics.store(this.#words, header.sessions, session)
  }

  /**
   * The thread may not claim any more. Coordinator only, before it takes the session's slots back: a claim comes before this
   * store, and its slot is found; or after it, and the claimant sees that it is closed.
   */
  close(session: number): void {
    this.#say(session, sessionRow.open, 0)
    this.#say(session, sessionRow.asks, 0)
  }

  isOpen(session: number): boolean {
    return this.#said(session, sessionRow.open) === 1
  }

  threadId(session: number): number {
    return this.#said(session, sessionRow.threadId)
  }

  /** This thread runs the driver itself. Its own thread only, before its first claim. */
  setDirect(session: number): void {
    this.#store(session, sessionRow.direct, 1)
  }

  isDirect(session: number): boolean {
    return this.#load(session, sessionRow.direct) === 1
  }

  /** The session has so many more requests waiting at the coordinator. Coordinator only. */
  addAsks(session: number, by: number): void {
    this.#say(session, sessionRow.asks, this.#said(session, sessionRow.asks) + by)
  }

  /** How many callers wait in this thread, and how many of them stand in line for a connection. Its own thread only. */
  setWaiting(session: number, count: number, inLine: number = count): void {
    this.#store(session, sessionRow.inLine, inLine)
    this.#store(session, sessionRow.waiting, count)
  }

  inLine(session: number): number {
    return this.#load(session, sessionRow.inLine)
  }

  waiting(session: number): number {
    return this.#load(session, sessionRow.waiting)
  }

  /** The number of a caller who has come just now and has to wait. */
  arrive(): number {
    return Atomics.add(this.#words, header.arrivals, 1)
  }

  /** The first of its callers came as number `arrival`. Its own thread only. */
  setSince(session: number, arrival: number): void {
    this.#store(session, sessionRow.since, arrival)
  }

  since(session: number): number {
    return this.#load(session, sessionRow.since)
  }

  /** For how many of the session's asks a connection is on its way. Coordinator only. */
  setServed(session: number, count: number): void {
    this.#say(session, sessionRow.served, count)
  }

  served(session: number): number {
    return this.#said(session, sessionRow.served)
  }

  /** True when this session has callers waiting and the coordinator knows of it: what comes free may be its. */
  isEntitled(session: number): boolean {
    return this.#said(session, sessionRow.asks) > 0 && this.#load(session, sessionRow.waiting) > 0
  }

  /** How many threads may claim, the coordinator's own among them. */
  get count(): number {
    let count = 0
    for (let session = 0; session <= this.last; session++) if (this.isOpen(session)) count++
    return count
  }

  /** The highest session number there has been. */
  get last(): number {
    return Atomics.load(this.#truth, header.sessions)
  }

  /** A word of the coordinator's. */
  #said(session: number, what: number): number {
    return Atomics.load(this.#truth, headerWords + session * sessionRowWords + what)
  }

  #say(session: number, what: number, value: number): void {
    Atomics.store(this.#truth, headerWords + session * sessionRowWords + what, value)
    this.#store(session, what, value)
  }

  #load(session: number, what: number): number {
    return Atomics.load(this.#words, headerWords + session * sessionRowWords + what)
  }

  #store(session: number, what: number, value: number): void {
    Atomics.store(this.#words, headerWords + session * sessionRowWords + what, value)
  }
}

/** True when arrival `a` came after arrival `b`: their count comes round. */
export const isAfter = (a: number, b: number): boolean => ((a - b) | 0) > 0
