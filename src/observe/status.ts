/** `suspended`: whoever wants a connection waits until the pool is resumed. */
export type PoolState = 'open' | 'suspended'

/** Counts of a pool's records, as of one moment. */
export interface PoolCounts {
  readonly poolSize: number
  /** Records at home: idle, or emptied by an invalidation and about to be reopened. */
  readonly checkedin: number
  /** Records beyond `poolSize`; negative until there are that many (behaviour 24). 0 in a pool of size 0. */
  readonly overflow: number
  /** Records that are lent, being opened, reset or closed. */
  readonly checkedout: number
  /** Callers that wait for a connection. */
  readonly waiting: number
  /** Full garbage collections that threads have made because callers starved (option `collectOnStarvation`). */
  readonly collections?: number
  /** Forgotten connections that have come home by them. */
  readonly reclaimed?: number
  /** Default `open`. */
  readonly state?: PoolState
  /** Messages of attached threads that were refused: wrong, about what is not theirs, or for what they may not do. */
  readonly refused?: number
}

/** How one attached thread reaches its connections. */
export interface TransportInUse {
  readonly threadId: number
  /** `direct`: it runs the driver itself, on the connections that it holds. `remote`: the coordinator runs it for all. */
  readonly transport: 'direct' | 'remote'
  /** Why not `direct`. */
  readonly why: string | undefined
}

/** A pool's counts; as a string, one line. */
export class PoolStatus implements PoolCounts {
  readonly poolSize: number
  readonly checkedin: number
  readonly overflow: number
  readonly checkedout: number
  readonly waiting: number
  readonly collections: number
  readonly reclaimed: number
  readonly state: PoolState
  readonly refused: number
  /** The class of a pool whose counts say little: as a string, it is that. */
  readonly #label: string | undefined
  readonly #transports: readonly TransportInUse[]

  constructor(
    { poolSize, checkedin, overflow, checkedout, waiting, state = 'open', ...starved }: PoolCounts,
    label?: string,
    transports: Iterable<TransportInUse> & { readonly refused?: number } = [],
  ) {
    this.#label = label
    this.#transports = [...transports]
    this.poolSize = poolSize
    this.checkedin = checkedin
    this.overflow = overflow
    this.checkedout = checkedout
    this.waiting = waiting
    this.collections = starved.collections ?? 0
    this.reclaimed = starved.reclaimed ?? 0
    this.state = state
    this.refused = starved.refused ?? transports.refused ?? 0
  }

  get label(): string | undefined {
    return this.#label
  }

  /** How each attached thread reaches its connections, and why. */
  get transports(): readonly TransportInUse[] {
    return this.#transports
  }

  toString(): string {
    const suspended = this.state === 'suspended' ? ', suspended' : ''
    if (this.#label !== undefined) return this.#label + suspended
    const { poolSize, checkedin, overflow, checkedout, waiting } = this
    const counts = `poolSize ${poolSize}, checkedin ${checkedin}, overflow ${overflow}, checkedout ${checkedout}, waiting ${waiting}${suspended}`
    const refused = this.refused === 0 ? '' : `, refused ${this.refused}`
    if (this.collections === 0) return counts + refused
    return `${counts}, collections ${this.collections}, reclaimed ${this.reclaimed}${refused}`
  }
}
