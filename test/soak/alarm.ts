import type { Fault } from './player.ts'

/** The first fault of a soak ends it at once, whoever has found it. */
export class Alarm {
  /** Rejects with the first fault; else it never settles. */
  readonly rung: Promise<never>
  readonly ring: (fault: Fault) => void

  constructor(what: string, facts: () => unknown) {
    let fail: (error: Error) => void
    this.rung = new Promise((_, reject) => {
      fail = reject
    })
    this.rung.catch(() => {})
    this.ring = ({ chore, text }) => fail(new Error(`${what}, in '${chore}': ${text}\nthe pool: ${facts()}`))
  }

  /** Waits for a piece of work, but not past a fault. */
  watch<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.rung])
  }
}
