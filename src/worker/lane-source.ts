import { turnMs } from '../base/clock.ts'
import type { QueueFullError, TimeoutError } from '../base/errors.ts'
import { Patience } from '../base/patience.ts'
import { mayKeep } from '../slots/fair-share.ts'
import { fullQueue } from '../slots/full-queue.ts'
import { tableFlag } from '../slots/layout.ts'
import { isAnyPlaceEmpty } from '../slots/places.ts'
import type { StatementLine } from '../statements/statement-line.ts'
import { isLine, type StatementAsk, type StatementAsker, type StatementSource } from '../statements/statement-source.ts'
import { LaneLine } from './lane-line.ts'
import type { Lanes } from './lanes.ts'
import { RemoteLease } from './remote-lease.ts'
import { waitTimeout } from './wait-timeout.ts'
import type { Wire } from './wire.ts'

const withdrawn = new Error('The statements do not need it any more.')

/** A connection that this thread's statements want. */
class LaneAsk implements StatementAsk {
  readonly asker: StatementAsker
  readonly patience = new Patience({}, () => withdrawn)
  isInLine = false

  constructor(asker: StatementAsker) {
    this.asker = asker
  }

  /** What is being made ready is not stopped: it comes, and goes home. */
  withdraw(): void {
    if (this.isInLine) this.patience.leave(withdrawn)
  }
}

/** The connections for statements that this thread runs itself: leases in shared memory, beside those of its fairies. */
export class LaneSource implements StatementSource {
  readonly #wire: Wire
  readonly #lanes: Lanes
  readonly #unreachable: () => void
  #waiting = 0

  /** `unreachable`: told when this thread can't reach the connection that it was given. */
  constructor(wire: Wire, lanes: Lanes, unreachable: () => void) {
    this.#wire = wire
    this.#lanes = lanes
    this.#unreachable = unreachable
  }

  isAnyIdle(held: number): boolean {
    return this.#wire.lessee.mayClaim(unwantedAt(held))
  }

  /** Where there are no more connections to open, others have them: what they drain is about to be used by them again. */
  mayAsk(held: number, isStuck: boolean): boolean {
    const { table, welcome } = this.#wire
    if (welcome.limit === null || held === 0) return true
    return held < welcome.limit && (isStuck || isAnyPlaceEmpty(table))
  }

  othersWait(inLine: number): boolean {
    const { lessee, table, welcome } = this.#wire
    // As in `PoolSource`.
    if (table.has(tableFlag.suspended)) return true
    return lessee.waiting > inLine || !mayKeep(table, welcome.session, Number.POSITIVE_INFINITY)
  }

  ask(asker: StatementAsker, held: number): StatementLine | StatementAsk {
    const lease = this.#wire.lessee.claim(unwantedAt(held))
    const ask = new LaneAsk(asker)
    return lease === 0 ? this.#wait(ask) : this.#over(ask, lease)
  }

  full(): QueueFullError | undefined {
    const { table, welcome } = this.#wire
    return fullQueue(table, welcome.session, welcome, 'query')
  }

  timeoutError(timeoutMs: number): TimeoutError {
    return waitTimeout(this.#wire, timeoutMs, 'query')
  }

  waiting(count: number): void {
    if (count === this.#waiting) return
    this.#waiting = count
    this.#wire.lessee.alsoWait(count)
  }

  /** Stands in the thread's queue, among the callers of `connect()`. */
  #wait(ask: LaneAsk): StatementLine | StatementAsk {
    let atOnce: { readonly taken: StatementLine | StatementAsk } | undefined
    let isHere = true
    ask.isInLine = true
    const grant = (lease: number): void => {
      ask.isInLine = false
      const taken = this.#over(ask, lease)
      if (isHere) atOnce = { taken }
      else if (isLine(taken)) ask.asker.granted(ask, taken)
    }
    const fail = (error: unknown): void => {
      if (error !== withdrawn) queueMicrotask(() => ask.asker.refused(ask, error))
    }
    this.#wire.lessee.wait({ grant, fail }, ask.patience)
    isHere = false
    return atOnce?.taken ?? ask
  }

  #over(ask: LaneAsk, lease: number): StatementLine | StatementAsk {
    const way = this.#lanes.ready(lease)
    if (way === undefined) void this.#prepare(ask, lease)
    else if (way !== 'remote') return new LaneLine(this.#wire, lease, way)
    else queueMicrotask(() => this.#refuse(lease))
    return ask
  }

  /** The way to the connection has to be made first, or the connection to be looked at more closely; one that is gone is not used. */
  async #prepare(ask: LaneAsk, lease: number): Promise<void> {
    const { lessee } = this.#wire
    try {
      const way = await this.#lanes.prepare(lease)
      if (way === 'remote') return this.#refuse(lease)
      if (way !== 'gone') return ask.asker.granted(ask, new LaneLine(this.#wire, lease, way))
      lessee.discard(lease)
      const taken = this.#wait(ask)
      if (isLine(taken)) ask.asker.granted(ask, taken)
    } catch (error) {
      lessee.discard(lease)
      ask.asker.refused(ask, error)
    }
  }

  #refuse(lease: number): void {
    void new RemoteLease(this.#wire, lease, undefined).end('closed')
    this.#unreachable()
  }
}

/** Who holds none takes any; who holds some, what nobody is about to use. */
const unwantedAt = (held: number): number | undefined => (held === 0 ? undefined : turnMs())
