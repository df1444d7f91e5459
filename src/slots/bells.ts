import { headerWords, sessionRow, sessionRowWords } from './layout.ts'

/**
 * By which threads tell each other that it is their turn: in shared memory, with no message and no coordinator between. A ring is
 * counted, so none is lost that comes before its thread listens; and it is no more than a hint. The slots alone say who holds what.
 */
export class Bells {
  readonly #words: Int32Array

  constructor(words: Int32Array) {
    this.#words = words
  }

  /** Another thread bears this number now: what its predecessor was rung for is none of its business. Coordinator only. */
  open(session: number): void {
    this.hear(session, this.rings(session))
  }

  /** Something has come free, and it is this thread's turn. Whoever has made it free rings, once it is free. */
  ring(session: number): void {
    const at = rowOf(session) + sessionRow.rings
    Atomics.add(this.#words, at, 1)
    Atomics.notify(this.#words, at)
  }

  /** Settles whoever listens without a ring: who still has a use for it listens again. */
  stir(session: number): void {
    Atomics.notify(this.#words, rowOf(session) + sessionRow.rings)
  }

  /** How often it has rung. */
  rings(session: number): number {
    return Atomics.load(this.#words, rowOf(session) + sessionRow.rings)
  }

  /** Its thread has heard so many. Said before it looks what there is: what comes free later is another ring. Its own thread only. */
  hear(session: number, rings: number): void {
    Atomics.store(this.#words, rowOf(session) + sessionRow.heard, rings)
  }

  /** For how many rings its thread has not come yet. */
  unheard(session: number): number {
    return Math.max(0, (this.rings(session) - Atomics.load(this.#words, rowOf(session) + sessionRow.heard)) | 0)
  }

  /** Settles when it has rung more often than that; undefined: it has. It keeps no thread alive. Its own thread only. */
  next(session: number, rings: number): PromiseLike<unknown> | undefined {
    const rung = Atomics.waitAsync(this.#words, rowOf(session) + sessionRow.rings, rings)
    return rung.async ? rung.value : undefined
  }
}

const rowOf = (session: number): number => headerWords + session * sessionRowWords
