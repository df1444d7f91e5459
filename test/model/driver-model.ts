import { Trace } from './trace.ts'

/** How the driver behaves during one step. What is slow goes on when a later step releases it. */
export interface Mood {
  readonly open: 'ok' | 'fails' | 'slow'
  readonly reset: 'ok' | 'fails' | 'slow'
  readonly ping: 'ok' | 'fails' | 'slow' | 'dead'
  readonly close: 'ok' | 'fails'
  /** Where there are any: to `connect`, and to `checkout`. */
  readonly listeners: 'ok' | 'refuse a new one' | 'refuse one' | 'find one dead'
}

export const calm: Mood = { open: 'ok', reset: 'ok', ping: 'ok', close: 'ok', listeners: 'ok' }

/** What can be slow. */
export type SlowStep = 'open' | 'reset' | 'ping'

/** Goes on after a step of the driver; with why the step has failed, if it has. */
type Then = (at: Trace, error?: string) => void

interface Held {
  readonly step: SlowStep
  readonly then: Then
}

/** The driver as the model needs it: which connections are open, and what waits to be released. All pools of a walk share it. */
export class DriverModel {
  mood: Mood = calm
  /** What the present step says. */
  trace = new Trace()
  /** Connections that are open, by number. */
  readonly open = new Set<number>()
  #opened = 0
  readonly #held: Held[] = []

  /** A step of a walk begins. */
  begin(mood: Mood): void {
    this.mood = mood
    this.trace = new Trace()
  }

  nextNumber(): number {
    return ++this.#opened
  }

  pass(step: SlowStep, name: string, at: Trace, then: Then): void {
    at.say(name)
    const mood = this.mood[step]
    if (mood === 'slow') this.#held.push({ step, then })
    else then(at, mood === 'fails' ? `${name} fails` : undefined)
  }

  waitingAt(step: SlowStep): number {
    return this.#held.filter(held => held.step === step).length
  }

  /** The oldest that waits goes on, or fails. */
  release(step: SlowStep, error?: string): void {
    const index = this.#held.findIndex(held => held.step === step)
    const [held] = this.#held.splice(index, 1)
    held!.then(this.trace, error)
  }
}
