import { monotonicMs } from '../base/clock.ts'
import { InvalidRequestError } from '../base/errors.ts'
import { collectGarbage, garbageCollector } from '../base/garbage.ts'
import { Ticker } from '../base/ticker.ts'
import type { Borrower } from '../fairies/borrower.ts'
import { letGo } from '../fairies/lost-fairies.ts'
import { anyoneWaits } from '../slots/fair-share.ts'
import { slotFlag } from '../slots/layout.ts'
import { isLeased, sessionOf } from '../slots/state.ts'
import type { Pool } from './pool.ts'

/** While callers wait, the pool is looked at this often. A lease that has not moved from one look to the next stands still. */
const lookMs = 20

/** A lease that has stood still for so many looks is suspect even where others move: its thread may wait for its own. */
const longStill = 10

/** The shortest rest of a thread between two collections. */
const shortestRestMs = 100

/** How much of a thread's time collections may take: while they find something; halved with each that does not; and never less. */
const share = { most: 1 / 4, least: 1 / 100 } as const

/** One full garbage collection of one thread. */
export interface Collection {
  /** Connections of this pool that it has found forgotten, and that have gone home. */
  readonly reclaimed: number
  /** For how many milliseconds the thread stood still. */
  readonly pauseMs: number
}

/** A thread that can be asked for a collection; the answer is `collected()`. */
interface Thread {
  readonly threadId: number
  readonly collect: () => void
  /** It has not answered yet: its loop may be blocked. */
  isAsked: boolean
  restsUntil: number
  /** Collections in a row that have found nothing. */
  fruitless: number
}

/**
 * What a pool does about callers who wait while all places are taken and nothing moves: fairies may have been forgotten, and V8
 * collects them when it likes. So the thread that has held a connection longest is asked for one full collection, then the next
 * one if that finds nothing, or does not answer before the next look. One at a time, for each stands still meanwhile, and the
 * first may be enough; and each at most for a share of its time, for those connections may be in good hands.
 */
export class Starvation {
  readonly #pool: Pool<object>
  readonly #threads = new Map<number, Thread>()
  readonly #ticker = new Ticker(lookMs, () => this.#look())
  /** By slot: its word when it was last looked at, and for how many looks that has been so. Busy with a call: -1. */
  readonly #still: { readonly word: number; readonly looks: number }[] = []
  #collections = 0
  #reclaimed = 0

  constructor(pool: Pool<object>) {
    if (garbageCollector() === undefined) {
      throw new InvalidRequestError('collectOnStarvation: this runtime does not collect garbage when asked.')
    }
    this.#pool = pool
    this.join({ session: 0, threadId: pool.slots.sessions.threadId(0) }, () => void this.#collectHere())
  }

  /** How many collections threads have made because of this, and how many connections came home by them. */
  get counts(): { readonly collections: number; readonly reclaimed: number } {
    return { collections: this.#collections, reclaimed: this.#reclaimed }
  }

  /**
   * A thread has attached. `collect` asks it for a collection and must not wait for it. One that goes holds nothing, so it is
   * asked no more, until another thread bears its number.
   */
  join({ session, threadId }: Borrower, collect: () => void): void {
    this.#threads.set(session, { threadId, collect, isAsked: false, restsUntil: 0, fruitless: 0 })
  }

  /** Somebody waits for a connection, or nobody does any more. */
  watch(isAnybodyWaiting: boolean): void {
    if (!isAnybodyWaiting) return this.#ticker.stop()
    this.#observe(0)
    this.#ticker.start()
  }

  /** A thread has done what it was asked for. */
  collected(session: number, { reclaimed, pauseMs }: Collection): void {
    const thread = this.#threads.get(session)
    if (!thread?.isAsked) return
    thread.isAsked = false
    const found = amount(reclaimed)
    this.#collections++
    this.#reclaimed += found
    this.#pool.log.info(
      () =>
        `Thread ${thread.threadId} collected garbage for callers that wait: ${amount(pauseMs).toFixed(1)} ms, ${found} forgotten connections`,
    )
    thread.fruitless = found > 0 ? 0 : thread.fruitless + 1
    const part = Math.max(share.least, share.most / 2 ** thread.fruitless)
    thread.restsUntil = monotonicMs() + Math.max(shortestRestMs, amount(pauseMs) / part)
    if (found === 0 && this.#ticker.isRunning) this.#askNext()
  }

  #look(): void {
    // What can be given is given first: then nobody may be waiting, though asks of theirs may stand.
    this.#pool.serveWaiters()
    if (!this.#ticker.isRunning || !anyoneWaits(this.#pool.slots)) return
    // Nor does a collection help who waits for the pool to be resumed.
    if (this.#pool.isSuspended) return
    this.#observe(1)
    this.#askNext()
  }

  async #collectHere(): Promise<void> {
    let reclaimed = 0
    for (const { current } of this.#pool.records) {
      if (current?.borrower.session !== 0) continue
      current.onEnd = reason => {
        if (reason === 'collected') reclaimed++
      }
    }
    letGo()
    const pauseMs = await collectGarbage()
    this.collected(0, { reclaimed, pauseMs })
  }

  /** Every loan, and every hand-over within a thread, changes a slot's word. */
  #observe(looks: 0 | 1): void {
    for (const { slot, current } of this.#pool.records) {
      const word = this.#pool.slots.word(slot)
      const before = this.#still[slot]
      const isBusy = current?.isValid === true && current.calls.inFlight > 0
      const still = before?.word === word ? before.looks + looks : 0
      this.#still[slot] = { word, looks: isBusy ? -1 : still }
    }
  }

  #askNext(): void {
    const now = monotonicMs()
    for (const session of this.#suspects()) {
      const thread = this.#threads.get(session)
      if (thread === undefined || thread.isAsked || thread.restsUntil > now) continue
      thread.isAsked = true
      return thread.collect()
    }
  }

  /** The sessions that hold what stands still, longest first. A connection that is busy or under way was not forgotten, and says nothing of others. */
  #suspects(): number[] {
    const { slots, records } = this.#pool
    const lent: { readonly slot: number; readonly session: number; readonly looks: number }[] = []
    for (const { slot } of records) {
      const word = slots.word(slot)
      const seen = this.#still[slot]
      if (!isLeased(word) || slots.isMarked(slot, slotFlag.offered)) continue
      lent.push({ slot, session: sessionOf(word), looks: seen?.word === word ? seen.looks : 0 })
    }
    const least = lent.some(({ looks }) => looks === 0) ? longStill : 1
    return lent
      .filter(({ looks }) => looks >= least)
      .sort((a, b) => b.looks - a.looks || slots.compareReturns(a.slot, b.slot))
      .map(({ session }) => session)
  }
}

/** What another thread says is looked at. */
const amount = (value: unknown): number => (Number.isFinite(value) ? Math.max(0, value as number) : 0)
