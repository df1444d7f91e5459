import type { Alarm } from './alarm.ts'
import { type Death, Hand } from './hand.ts'
import type { Tally } from './tally.ts'

const threads = 8
/** Threads that live as long as the soak: by their heaps it is seen whether something grows. */
const spared = 2

interface CrewOptions {
  readonly seed: number
  readonly tasks: number
  readonly tally: Tally
  readonly alarm: Alarm
}

/** The threads of a soak; one that dies is replaced at once. */
export class Crew {
  readonly #options: CrewOptions
  readonly #hands: Hand[]
  #hired = 0
  #state: 'playing' | 'resting' = 'resting'

  constructor(options: CrewOptions) {
    this.#options = options
    this.#hands = Array.from({ length: threads }, () => this.#hire())
  }

  /** How many have died so far. */
  get deaths(): number {
    return this.#hired - threads
  }

  play(): Promise<unknown> {
    this.#state = 'playing'
    return Promise.all(this.#hands.map(hand => hand.play()))
  }

  /** Settles when nobody does anything any more: with the heaps of those who are spared. Nobody may be killed meanwhile. */
  async rest(): Promise<readonly number[]> {
    this.#state = 'resting'
    const heaps = await Promise.all(this.#hands.map(hand => hand.rest()))
    return heaps.slice(0, spared)
  }

  /** Kills one that is not spared, counted from the first of those; settles when it is gone and another has its place. */
  async kill(which: number, death: Death): Promise<void> {
    const place = spared + (which % (threads - spared))
    const dying = this.#hands[place]!
    const gone = dying.kill(death)
    const next = this.#hire()
    this.#hands[place] = next
    if (this.#state === 'playing') void next.play()
    await gone
  }

  async end(): Promise<void> {
    await Promise.all(this.#hands.map(hand => hand.kill('terminate')))
  }

  #hire(): Hand {
    const { seed, tasks, tally, alarm } = this.#options
    return new Hand({ seed, tasks, tally: tally.buffer, number: ++this.#hired }, alarm.ring)
  }
}
