import { closeSync } from 'node:fs'
import { identityOf } from '../base/descriptors.ts'
import { InvalidRequestError } from '../base/errors.ts'
import { Ticker } from '../base/ticker.ts'
import type { Offer } from '../dialects/dialect.ts'

/** How long after its port a thread has closed all its sockets at the latest; nothing waits for it. */
const teardownMs = 1000

/** What has been made in this thread and not arrived yet, of all sessions. A number that is made anew was closed before. */
const underWay = new Map<number, Offer>()

/**
 * Descriptors on their way to one attached thread, which may die before it has them: nobody would close them then. One that it has
 * said it has is closed with its socket, however the thread ends.
 */
export class Consignments {
  /** By lease. */
  readonly #offers = new Map<number, Offer>()

  /** @throws {InvalidRequestError} this thread has not said yet that it has the one that was made for this lease. */
  send(lease: number, offer: () => Offer | undefined): Offer | undefined {
    if (this.#offers.has(lease)) throw new InvalidRequestError('A descriptor for this lease is under way already.')
    const made = offer()
    if (made === undefined) return undefined
    underWay.set(made.descriptor, made)
    this.#offers.set(lease, made)
    return made
  }

  arrived(descriptor: number): void {
    for (const [lease, offer] of this.#offers) {
      if (offer.descriptor === descriptor) this.#settle(lease, offer)
    }
  }

  /** The thread is dead, or has closed its port: what it has not got by now it never will. */
  reclaim(): void {
    if (this.#offers.size === 0) return
    const later = new Ticker(teardownMs, () => {
      later.stop()
      for (const [lease, offer] of this.#offers) {
        // It had it after all, and died before it said so: then the number is closed, or somebody else's.
        const isOurs = underWay.get(offer.descriptor) === offer && identityOf(offer.descriptor) === offer.identity
        this.#settle(lease, offer)
        if (isOurs) closeSync(offer.descriptor)
      }
    })
    later.start()
  }

  #settle(lease: number, offer: Offer): void {
    this.#offers.delete(lease)
    if (underWay.get(offer.descriptor) === offer) underWay.delete(offer.descriptor)
  }
}
