import { header } from './layout.ts'
import { idleBeyond, isIdle, isLeased, isThreads, sessionOf } from './state.ts'

/**
 * The coordinator's own copy of what only it writes in the shared table, and of each slot's word when it last looked. Any thread
 * can write anything into shared memory, but none can make the coordinator believe it: counts and clocks are read here, a word is
 * taken over only where a thread may have stepped to it by the rules, and any other is put right at the next look.
 */
export class Guard {
  /** In the layout of the table. */
  readonly truth: Int32Array
  readonly #words: Int32Array
  readonly #threadsStep: boolean
  /** Told that a word of a slot was no step of anybody's; `at` says where it stands. */
  readonly #forged: (at: number) => void

  constructor(truth: Int32Array, words: Int32Array, threadsStep: boolean, forged: (at: number) => void) {
    this.truth = truth
    this.#words = words
    this.#threadsStep = threadsStep
    this.#forged = forged
  }

  /** True where no thread may step by itself from what the slot is: then the shared word can say nothing new. */
  isOurs(at: number): boolean {
    const known = this.truth[at]!
    return !this.#threadsStep || !(isIdle(known) || (isLeased(known) && sessionOf(known) !== 0))
  }

  /** A word that was read, or what has been put in its place. */
  judged(at: number, word: number): number {
    const known = this.truth[at]!
    if (word === known) return word
    if (!this.isOurs(at) && isThreads(word, this.truth[header.sessions]!)) {
      this.truth[at] = word
      return word
    }
    // A slot that somebody may hold is idle then, under numbers that nobody holds: what it has must be replaced before it is lent.
    const right = this.isOurs(at) ? known : idleBeyond(known)
    // Told first: what is idle anybody may claim.
    this.#forged(at)
    this.put(at, right)
    return right
  }

  put(at: number, value: number): void {
    this.truth[at] = value
    Atomics.store(this.#words, at, value)
  }
}
