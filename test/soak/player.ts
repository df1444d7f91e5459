import { endChores } from './end-chores.ts'
import { fairyChores } from './fairy-chores.ts'
import { transfers } from './ledger-chores.ts'
import { Random } from './random.ts'
import { type Chore, idsEach, Scene, type SoakedPool } from './scene.ts'
import { statementChores } from './statement-chores.ts'
import { Tally } from './tally.ts'

/** All that is done, in every thread. */
export const chores: readonly Chore[] = [...fairyChores, ...endChores, ...statementChores, transfers]

export const newTally = (buffer?: SharedArrayBuffer): Tally =>
  new Tally(
    chores.map(({ name }) => name),
    buffer,
  )

/** Longer than all deadlines that a chore can meet, however busy the machine is. */
const boundMs = 25_000

/** Scenes that a player can have, so that the ids of two never meet. */
const scenesEach = 2 ** 24

/** What has gone wrong, in words that can cross a port. */
export interface Fault {
  readonly chore: string
  readonly text: string
}

export interface PlayerOptions {
  readonly pool: SoakedPool
  /** Of all players that there ever are in a soak, each has its own number. */
  readonly number: number
  readonly seed: number
  readonly tally: Tally
  /** Pieces of work at the same time. */
  readonly tasks: number
  readonly onFault: (fault: Fault) => void
}

/** Does random chores in one thread, several at a time, until told to rest. */
export class Player {
  readonly #options: PlayerOptions
  readonly #luck: readonly Random[]
  #state: 'playing' | 'resting' = 'resting'
  #scenes = 0
  #tasks: Promise<unknown> = Promise.resolve()

  constructor(options: PlayerOptions) {
    this.#options = options
    const { tasks, seed, number } = options
    this.#luck = Array.from({ length: tasks }, (_, task) => new Random(seed * 1_000_003 + number * 101 + task))
  }

  play(): void {
    this.#state = 'playing'
    this.#tasks = Promise.all(this.#luck.map(random => this.#work(random)))
  }

  /** Settles when all that was begun has ended. */
  async rest(): Promise<void> {
    this.#state = 'resting'
    await this.#tasks
  }

  async #work(random: Random): Promise<void> {
    while (this.#state === 'playing') {
      await this.#do(random.weighted(chores), random)
      if (random.chance(0.2)) await new Promise(setImmediate)
    }
  }

  async #do(chore: Chore, random: Random): Promise<void> {
    const { pool, number, tally, onFault } = this.#options
    const id = (number * scenesEach + ++this.#scenes) * idsEach
    const scene = new Scene(pool, id, random, tally)
    const bound = setTimeout(async () => {
      const text = `${id} has no end after ${boundMs} ms; the pool: ${await pool.status()}`
      onFault({ chore: chore.name, text })
    }, boundMs)
    try {
      await chore.run(scene)
      tally.add(chore.name)
    } catch (error) {
      try {
        scene.forgive(error)
      } catch {
        const stack = error instanceof Error ? `${error.stack} ${JSON.stringify(error)}` : String(error)
        onFault({ chore: chore.name, text: stack })
      }
    } finally {
      clearTimeout(bound)
    }
  }
}
