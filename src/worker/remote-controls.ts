import type { Holder } from '../base/holder.ts'
import type { EventName } from '../observe/event-names.ts'
import { PoolStatus } from '../observe/status.ts'
import type { PoolEventListener } from './listeners.ts'
import type { Wire } from './wire.ts'

/** Options of `dispose()`. With none of them it does not wait for what is out. */
export interface DisposeOptions {
  /** Wait so long for what is out to come home and be closed; null: for ever. Default, with `force`: 0. */
  readonly timeoutMs?: number | null
  /** Take away what is not home by then: what runs on it is cancelled, and it is closed. Default false: fail, and say who has it. */
  readonly force?: boolean
}

/** What of a pool that another thread owns is for all its users: how it stands, what it is told to do, what is heard of it. */
export abstract class RemoteControls {
  protected readonly wire: Wire

  constructor(wire: Wire) {
    this.wire = wire
  }

  /** The pool's counts now; as a string, one line. */
  async status(): Promise<PoolStatus> {
    const { counts, label, transports } = await this.wire.control('status')
    return new PoolStatus(counts, label, transports)
  }

  /** Who holds what: one for each connection that is out, the longest held first. A thread that is blocked delays it by 50 ms. */
  holders(): Promise<Holder[]> {
    return this.wire.control('holders')
  }

  /**
   * Closes what is idle, and what is out as it comes home; the options say whether to wait for that. The pool stays usable
   * (behaviours 245-247). @throws {TimeoutError} it has waited in vain: its `holders` say for whom.
   */
  dispose(options?: DisposeOptions): Promise<void> {
    return this.wire.control('dispose', options)
  }

  /** From the answer on whoever wants a connection waits for `resume()`, in every thread; deadlines run on. What is out stays out. */
  suspend(): Promise<void> {
    return this.wire.control('suspend')
  }

  /** Whoever waits is served. */
  resume(): Promise<void> {
    return this.wire.control('resume')
  }

  /**
   * Hears of an event of the pool: afterwards, and without a say in it; listeners that can veto are for the coordinator. Settles
   * when every event from then on is heard of. @throws {InvalidRequestError} a pool has no such event.
   */
  on(event: EventName, listener: PoolEventListener): Promise<void> {
    return this.wire.listeners.on(event, listener)
  }

  /** As `on`, for the next event only. */
  once(event: EventName, listener: PoolEventListener): Promise<void> {
    return this.wire.listeners.on(event, listener, 'once')
  }

  off(event: EventName, listener: PoolEventListener): Promise<void> {
    return this.wire.listeners.off(event, listener)
  }
}
