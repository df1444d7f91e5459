/** The coordinator's own thread, and that of the one attached worker. */
export type Thread = 'here' | 'there'

/** What a walk's pools are like. */
export interface Settings {
  readonly poolSize: number
  readonly maxOverflow: number
  readonly useLifo: boolean
  readonly prePing: boolean
  readonly resetOnReturn: 'rollback' | 'commit' | 'none'
  /**
   * `heard`: there are listeners to every event, so all goes by message. `silent`: there are none, so the worker lends to itself
   * in shared memory. `clean`: it returns by itself too, for the driver says that no transaction is ever open.
   */
  readonly path: 'heard' | 'silent' | 'clean'
}

/** One place of a pool: a record. */
export interface Place {
  connection: number | undefined
  /** `free`: it has come back, and is nobody's until it is decided whose it is next. */
  state: 'home' | 'opening' | 'examined' | 'out' | 'ending' | 'free'
  /** Whose it is, when it is not at home or free. */
  thread: Thread
  /** Who holds its connection. */
  holder: Caller | undefined
  /** What it is being opened or examined for. */
  ask: Ask | undefined
  /** When its connection began to open. */
  stamp: number
  /** How often one has been opened here. */
  openings: number
  /** Just opened, and not lent or left at home since: it needs no ping (166). */
  isFresh: boolean
  isSoft: boolean
  /** Older than the last dispose. */
  isRetiring: boolean
  /** When it came home. */
  returned: number
  /** The worker has returned it by itself, and nobody has had it since. */
  isWorkersOwn: boolean
}

/**
 * One connection that is wanted. Of a caller here, or of one in the worker who won't wait, it is his own; those of the worker's
 * queue are for whoever is first in it.
 */
export interface Ask {
  readonly thread: Thread
  readonly caller: Caller | undefined
  /** Asks are numbered in the order in which they are made. */
  readonly number: number
  /** A place has been found for it: it stands in no line any more. */
  isServed: boolean
  /** Nobody wants it any more. */
  isLeft: boolean
  /** How often a connection may still be found dead before the caller is told (209). */
  examinations: number
}

/** One `connect()`, and the fairy that came of it. */
export class Caller {
  readonly thread: Thread
  state: 'pending' | 'holds' | 'detached' | 'over' | 'failed' = 'pending'
  failure: string | undefined
  /** What was lent, even when it is over. */
  connection: number | undefined
  /** When that began to open. */
  stamp: number | undefined
  place: Place | undefined
  /** How things stood when he came: the last ask that had been made, and the last invalidation of the pool. */
  came = { ask: 0, invalidation: 0 }

  constructor(thread: Thread) {
    this.thread = thread
  }

  get isValid(): boolean {
    return this.state === 'holds' || this.state === 'detached'
  }

  hold(place: Place): void {
    this.state = 'holds'
    this.place = place
    this.connection = place.connection
    this.stamp = place.stamp
    place.state = 'out'
    place.holder = this
  }

  fail(failure: string): void {
    this.state = 'failed'
    this.failure = failure
  }

  /** The fairy is no good any more; the place it had, if it had one, is for whoever ends the loan to bring home. */
  end(): void {
    this.state = 'over'
    if (this.place) Object.assign(this.place, { state: 'ending', holder: undefined })
    this.place = undefined
  }
}

/** Takes one thing out of a list. */
export function remove<T>(list: T[], thing: T): void {
  list.splice(list.indexOf(thing), 1)
}
