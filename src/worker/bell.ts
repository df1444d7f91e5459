import type { Bells } from '../slots/bells.ts'

/** What a bell asks of whoever has it, and tells him. */
export interface BellOwner {
  /** How many wait in this thread. */
  readonly waiting: number
  /** It has rung so many times. */
  rung(turns: number): void
}

/** This thread's end of its bell: as long as anybody waits here, it is heard. */
export class Bell {
  readonly #bells: Bells
  readonly #session: number
  readonly #owner: BellOwner
  /** How often it had rung when this thread last looked. */
  #heard: number
  #state: 'deaf' | 'listening' | 'ended' = 'deaf'

  constructor(bells: Bells, session: number, owner: BellOwner) {
    this.#bells = bells
    this.#session = session
    this.#owner = owner
    this.#heard = bells.rings(session)
  }

  /** Call it whenever somebody may have begun to wait: after he has said so in the table, so that whoever does not see him rings for him. */
  listen(): void {
    while (this.#state === 'deaf' && this.#owner.waiting > 0) {
      const next = this.#bells.next(this.#session, this.#heard)
      if (next === undefined) {
        this.#ring()
        continue
      }
      this.#state = 'listening'
      next.then(() => {
        // By now it may be another's, who bears the number of this thread's session.
        if (this.#state === 'ended') return
        this.#state = 'deaf'
        this.#ring()
        this.listen()
      })
    }
  }

  /** From now on it rings for nobody here. What waits in V8 for its next ring would keep this pool's memory as long as the thread. */
  end(): void {
    const wasListening = this.#state === 'listening'
    this.#state = 'ended'
    if (wasListening) this.#bells.stir(this.#session)
  }

  #ring(): void {
    const rings = this.#bells.rings(this.#session)
    const turns = (rings - this.#heard) | 0
    this.#heard = rings
    this.#bells.hear(this.#session, rings)
    if (turns > 0) this.#owner.rung(turns)
  }
}
