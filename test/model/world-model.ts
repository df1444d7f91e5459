import { DriverModel, type Mood, type SlowStep } from './driver-model.ts'
import type { Choose } from './lending-model.ts'
import type { Caller, Place, Settings, Thread } from './parts.ts'
import { PoolModel } from './pool-model.ts'

/** How a pool stands: its counts, and the places in the hands of each thread. */
export interface PoolView {
  readonly checkedin: number
  readonly checkedout: number
  readonly overflow: number
  readonly waiting: number
  readonly here: number
  readonly there: number
}

/** All that can be seen of a walk after a step, of the model and of reality alike. */
export interface View {
  readonly pools: readonly PoolView[]
  /** How each `connect()` stands, in their order. */
  readonly callers: readonly string[]
  /** The numbers of the connections that are open. */
  readonly open: readonly number[]
  /** How many steps of the driver wait to be released. */
  readonly held: Readonly<Record<SlowStep, number>>
  /** What the step has said: events and the driver's doings. */
  readonly log: readonly string[]
  /** Something that was begun does not end. */
  readonly isBusy: boolean
  /** What has failed that may not. */
  readonly failures: readonly unknown[]
}

/** A walk as the specification has it: pools that were recreated one from another, and all who ever wanted a connection. */
export class WorldModel {
  readonly driver = new DriverModel()
  readonly pools: PoolModel[] = []
  readonly callers: Caller[] = []
  /** By the number of a caller, whose he is. */
  readonly #poolOf: PoolModel[] = []
  readonly #settings: Settings
  readonly #choose: (pool: number, ...args: Parameters<Choose>) => Thread

  /** The walk has come to where the specification leaves open what is next: it ends there. */
  get isUndecided(): boolean {
    return this.pools.some(pool => pool.isUndecided)
  }

  /** `choose` says which of several threads was next, of those of a pool by its number. */
  constructor(settings: Settings, choose: (pool: number, ...args: Parameters<Choose>) => Thread) {
    this.#settings = settings
    this.#choose = choose
    this.recreate()
  }

  begin(mood: Mood): void {
    this.driver.begin(mood)
  }

  /** The step is over, but for what follows from it by messages. */
  settle(): void {
    for (const pool of this.pools) pool.askMore()
  }

  connect(pool: number, thread: Thread, patience: 'waits' | 'now'): void {
    this.#poolOf.push(this.pools[pool]!)
    this.callers.push(this.pools[pool]!.connect(thread, patience))
  }

  /** A caller by his number, and his pool. */
  at(number: number): readonly [pool: PoolModel, caller: Caller] {
    return [this.#poolOf[number]!, this.callers[number]!]
  }

  /** Nothing of the old one but its settings (250). */
  recreate(): void {
    const number = this.pools.length
    this.pools.push(new PoolModel(this.#settings, this.driver, threads => this.#choose(number, threads)))
  }

  /** The callers who are in one of these states, by number. */
  callersWho(...states: readonly Caller['state'][]): number[] {
    return [...this.callers.keys()].filter(number => states.includes(this.callers[number]!.state))
  }

  /** Connections of places that are at home or lent, by number. */
  get seated(): number[] {
    const places = this.pools.flatMap(pool => pool.places)
    return places.flatMap(({ state, connection }) => (state === 'home' || state === 'out' ? (connection ?? []) : []))
  }

  seatOf(connection: number): readonly [pool: PoolModel, place: Place] {
    for (const pool of this.pools) {
      const place = pool.places.find(place => place.connection === connection)
      if (place) return [pool, place]
    }
    throw new Error(`No place has connection ${connection}.`)
  }

  /** What is to be seen; of several orders that are allowed, the one that was heard. */
  view(heard: readonly string[]): View {
    const { driver } = this
    return {
      pools: this.pools.map(pool => ({
        checkedin: pool.checkedin,
        checkedout: pool.checkedout,
        overflow: pool.overflow,
        waiting: pool.waiting,
        here: pool.usedBy('here'),
        there: pool.usedBy('there'),
      })),
      callers: this.callers.map(standing),
      open: [...driver.open].sort((a, b) => a - b),
      held: { open: driver.waitingAt('open'), reset: driver.waitingAt('reset'), ping: driver.waitingAt('ping') },
      log: driver.trace.along(heard),
      isBusy: false,
      failures: [],
    }
  }
}

function standing({ state, connection, failure }: Caller): string {
  if (state === 'failed') return `failed: ${failure}`
  if (state === 'pending') return 'pending'
  return `${connection} ${state === 'over' ? 'over' : 'valid'}`
}
