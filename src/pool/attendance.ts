import { monotonicMs } from '../base/clock.ts'
import type { Peek } from '../base/descriptors.ts'
import type { Handover, Offer } from '../dialects/dialect.ts'

/**
 * Who reads from a connection: the coordinator's thread, or the one that it is lent to and that runs the driver itself. Never
 * both: each would take bytes that are the other's. Where connections can't be handed over, the coordinator reads always.
 */
export class Attendance<C extends object> {
  readonly #connection: C
  readonly #handover: Handover<C> | undefined
  readonly #isLost: () => boolean
  /** When the server last gave a sign of life that was asked for; monotonic milliseconds. */
  heardAt: number = monotonicMs()

  /** `isLost`: true once the driver has said that the connection is gone. */
  constructor(connection: C, handover: Handover<C> | undefined, isLost: () => boolean) {
    this.#isLost = isLost
    this.#connection = connection
    this.#handover = handover
  }

  get canBeHandedOver(): boolean {
    return this.#handover !== undefined
  }

  /** True while this thread reads, and might not. */
  get isOn(): boolean {
    return this.#handover?.isAttended(this.#connection) === true
  }

  /** This thread reads from now on; nobody else may hold the connection. From one that is gone there is nothing to be read. */
  begin(): void {
    if (!this.#isLost()) this.#handover?.attend(this.#connection)
  }

  /** This thread reads no more, so that another can; false: something is under way. */
  end(): boolean {
    return this.#handover === undefined || this.#handover.rest(this.#connection)
  }

  /** This thread reads no more as soon as nothing is under way; or at once if the connection is gone, as its borrower will find. */
  async settle(): Promise<void> {
    while (!this.#isLost() && !this.end()) await this.#handover?.settled(this.#connection)
  }

  /** What is there to be read. */
  get peek(): Peek | undefined {
    return this.#handover?.peek(this.#connection)
  }

  /** What is there to be read that nobody has read who could have. */
  get unread(): Peek {
    return this.isOn ? 'quiet' : (this.peek ?? 'quiet')
  }

  /** What another thread needs to run the driver itself; undefined: it can't. From here on this thread does not read. */
  offer(): Offer | undefined {
    return this.end() ? this.#handover?.offer(this.#connection) : undefined
  }

  /** The thread that ran the driver itself has died over it. */
  async abandon(): Promise<void> {
    await this.#handover?.abandon(this.#connection)
  }

  /** Another thread has run the driver itself, and has left the session so. */
  resume(inTransaction: boolean): void {
    this.#handover?.resume(this.#connection, inTransaction)
  }
}
