import { collectGarbage } from '../base/garbage.ts'
import { type LoopHold, whenLoopEnds } from '../base/loop-end.ts'
import { letGo } from './lost-fairies.ts'

/** A thread that may have come to a standstill. Its hold is all by which the pool keeps its event loop alive. */
export interface StandstillThread extends LoopHold {
  /** True while callers of it wait, and nothing is under way on the connections that it holds. */
  isStill(): boolean
  /** It is at a standstill. */
  stands(id: number): void
}

/**
 * Whether one thread is at a standstill: its callers wait for connections, nothing is under way on those it holds, and nothing but that
 * waiting keeps its event loop alive: no timer, no socket, no server, no port, no file, no job of a thread pool. Then nobody in it can
 * run, and so close what it holds, before one of them has been served or failed; unless what it holds was forgotten, so its garbage is
 * collected as well, which keeps nobody waiting there. What Node does not count can't be seen: timers and handles that are unref'ed.
 */
export class Standstill {
  readonly #thread: StandstillThread
  #id = 0
  #standing = 0
  #giveUp: (() => void) | undefined

  constructor(thread: StandstillThread) {
    this.#thread = thread
  }

  /** From now on `stands(id)` is told, once, when it is so. What was asked before is not answered any more. */
  watch(id: number): void {
    this.#giveUp?.()
    this.#giveUp = undefined
    this.#id = id
    this.#standing = 0
    this.#await(() => void this.#collect(id))
  }

  /** True when it has told so, and that is still so. */
  isStanding(id: number): boolean {
    return this.#standing === id && this.#thread.isStill()
  }

  /** Twice: before the collection, and after it. */
  #await(next: () => void): void {
    if (!this.#thread.isStill()) return
    this.#giveUp = whenLoopEnds(this.#thread, () => {
      this.#giveUp = undefined
      if (this.#thread.isStill()) next()
    })
  }

  async #collect(id: number): Promise<void> {
    letGo()
    await collectGarbage()
    if (this.#id !== id) return
    this.#await(() => {
      this.#standing = id
      this.#thread.stands(id)
    })
  }
}
