import type { Patience } from '../base/patience.ts'
import { type ConnectionFairy, type Fairy, nest } from './fairy.ts'

/**
 * One thread's checkout, found again by nested `connect()` calls (`useThreadlocal`, behaviours 191-203).
 * It refers weakly to the fairy: one that is dropped is not kept alive (192). It is cleared by identity, whoever closes (203).
 */
export class ThreadLocal<C extends object> {
  #current: WeakRef<ConnectionFairy<C>> | undefined
  #underWay: { readonly checkout: Promise<Fairy<C>>; readonly patience: Patience } | undefined

  /** The thread's fairy, one level deeper; the one under way, within the caller's own patience; or a new one by `begin`. */
  async connect(patience: Patience, begin: () => Promise<Fairy<C>>): Promise<Fairy<C>> {
    for (;;) {
      const current = this.#current?.deref()
      if (current && nest(current)) return current.proxy
      const underWay = this.#underWay
      if (underWay === undefined) return this.#begin(patience, begin)
      const failure = await patience.within(
        underWay.checkout.then(
          () => undefined,
          (error: unknown) => ({ error }),
        ),
      )
      // A checkout that its beginner has left, by deadline or abort, is not this caller's failure: begin anew.
      if (failure && !underWay.patience.gone) throw failure.error
    }
  }

  async #begin(patience: Patience, begin: () => Promise<Fairy<C>>): Promise<Fairy<C>> {
    // Set before anyone who joins can be told: this continuation was attached first.
    const checkout = begin().then(fairy => {
      this.#current = new WeakRef(fairy.self)
      return fairy
    })
    const underWay = { checkout, patience }
    this.#underWay = underWay
    try {
      return await checkout
    } finally {
      if (this.#underWay === underWay) this.#underWay = undefined
    }
  }

  /** Forgets this fairy, and no other. */
  clear(fairy: ConnectionFairy<C>): void {
    if (this.#current?.deref() === fairy) this.#current = undefined
  }
}
