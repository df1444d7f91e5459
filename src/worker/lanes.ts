import { closeSync } from 'node:fs'
import { monotonicMs } from '../base/clock.ts'
import { identityOf, type Peek } from '../base/descriptors.ts'
import { StaleLeaseError } from '../base/errors.ts'
import type { Offer } from '../dialects/dialect.ts'
import type { Lane, LaneModule } from '../dialects/lane.ts'
import { kind, type Welcome } from '../protocol/messages.ts'
import { toWireError } from '../protocol/wire-error.ts'
import { slotFlag } from '../slots/layout.ts'
import type { SlotTable } from '../slots/slot-table.ts'
import { isLeased, leaseId, sessionOf, slotOfLease, wordOfLease } from '../slots/state.ts'
import type { RemoteCaller } from '../transports/remote-caller.ts'

/** How this thread reaches the connection in one slot. `lane` undefined: the coordinator runs the driver. */
interface Track {
  /** The connection's generation: another one in the same slot is another connection. */
  readonly generation: number
  lane: Lane | undefined | Promise<Lane | undefined>
  /** When the server last gave a sign of life that was asked for; monotonic milliseconds. */
  heardAt: number
}

/** How a lease's connection is reached; `remote`: the coordinator runs the driver. */
export type Way<C extends object = object> = Lane<C> | 'remote'

/** A connection that was alive so many milliseconds ago is taken to be so still, as HikariCP does: a look is a system call, and an exception. */
const aliveMs = 50

/** The lease was ended while its lane was being opened. */
function orGone(error: unknown): 'gone' {
  if (error instanceof StaleLeaseError) return 'gone'
  throw error
}

/**
 * The lanes of this thread: one for each connection that it has held, kept between leases (transport `direct`). All threads of a
 * process share one table of descriptors, so a number is all that has to travel; only the coordinator makes them.
 */
export class Lanes {
  readonly #table: SlotTable
  readonly #caller: RemoteCaller
  readonly #welcome: Welcome
  readonly #module: LaneModule
  /** By slot. */
  readonly #tracks: (Track | undefined)[] = []
  /** Those of detached connections: they have no slot. */
  readonly #released = new Set<Lane>()

  private constructor(table: SlotTable, caller: RemoteCaller, welcome: Welcome, module: LaneModule) {
    this.#table = table
    this.#caller = caller
    this.#welcome = welcome
    this.#module = module
  }

  /** See `LaneModule`. */
  get statement(): LaneModule['statement'] {
    return this.#module.statement
  }

  get isAnyListened(): boolean {
    return this.#tracks.some(track => track?.lane && !(track.lane instanceof Promise) && track.lane.isListened)
  }

  /** Lanes for this thread, or why there can be none. */
  static async load(table: SlotTable, caller: RemoteCaller, welcome: Welcome): Promise<Lanes | string> {
    const { handover } = welcome
    if ('obstacle' in handover) return handover.obstacle
    try {
      return new Lanes(table, caller, welcome, (await import(handover.module)) as LaneModule)
    } catch (error) {
      return `the driver can't be loaded in this thread: ${(error as Error).message}`
    }
  }

  /** The way to what a lease has lent, if it is known and the connection looks alive. Otherwise `prepare` it. */
  ready(lease: number): Way | undefined {
    const slot = slotOfLease(lease)
    const track = this.#tracks[slot]
    if (track === undefined || track.generation !== this.#table.generation(slot)) return undefined
    const { lane } = track
    if (lane === undefined) return 'remote'
    return lane instanceof Promise || this.#look(track, lane) !== 'quiet' ? undefined : lane
  }

  /** Opens the lane for what a lease has lent, and makes sure that the connection is alive; `gone`: it is not. */
  async prepare(lease: number): Promise<Way | 'gone'> {
    const slot = slotOfLease(lease)
    const known = this.#tracks[slot]
    const track = known?.generation === this.#table.generation(slot) ? known : this.#open(lease, slot)
    const lane = await Promise.resolve(track.lane).catch(orGone)
    if (lane === 'gone') return lane
    if (lane === undefined) return 'remote'
    const seen = this.#look(track, lane)
    if (seen === 'quiet') return lane
    if (seen === 'closed' || !(await lane.ping())) return 'gone'
    track.heardAt = monotonicMs()
    return lane
  }

  /** A released lane has been closed. */
  forget(lane: Lane): void {
    this.#released.delete(lane)
  }

  /** This lane is its lease's own from now on: the slot gets another connection. */
  release(lane: Lane): void {
    this.#released.add(lane)
    for (const [slot, track] of this.#tracks.entries()) if (track?.lane === lane) this.#tracks[slot] = undefined
  }

  close(): void {
    for (const lane of this.#released) lane.close()
    this.#released.clear()
    for (const slot of this.#tracks.keys()) this.#drop(slot)
  }

  /** What is to be read from an idle connection. `talking` as well when it is time to ask the server. */
  #look(track: Track, lane: Lane): Peek {
    const { prePing, pingIntervalMs } = this.#welcome
    const age = Date.now() - lane.seenAt
    if (!prePing && age >= 0 && age < aliveMs) return 'quiet'
    const seen = lane.peek()
    const isDue = prePing && pingIntervalMs !== null && monotonicMs() - track.heardAt > pingIntervalMs
    return seen === 'quiet' && isDue ? 'talking' : seen
  }

  #open(lease: number, slot: number): Track {
    this.sweep()
    this.#drop(slot)
    const generation = this.#table.generation(slot)
    const opening = this.#openLane(lease, slot, generation)
    const track: Track = {
      generation,
      lane: opening,
      heardAt: monotonicMs(),
    }
    opening.then(
      lane => {
        track.lane = lane
      },
      // Whoever waits for it is told; the next one tries again.
      () => {
        if (this.#tracks[slot] === track) this.#tracks[slot] = undefined
      },
    )
    this.#tracks[slot] = track
    return track
  }

  async #openLane(lease: number, slot: number, generation: number): Promise<Lane | undefined> {
    const offer = (await this.#caller.ask(id => [kind.handover, id, lease])) as Offer | undefined
    if (offer === undefined) return undefined
    const lane = await this.#adopt(lease, offer)
    lane.onBroken = error => this.#broken(slot, generation, error)
    return lane
  }

  /** The first user of a broken generation reports it for all. */
  #broken(slot: number, generation: number, error: Error): void {
    if (this.#table.generation(slot) !== generation) return
    this.#table.mark(slot, slotFlag.lost)
    const word = this.#table.word(slot)
    const isOurs = isLeased(word) && sessionOf(word) === this.#welcome.session
    if (isOurs) this.#caller.tell([kind.failed, leaseId(slot, word), toWireError(error)])
  }

  /**
   * Takes over the descriptor that was made for this thread, and says so: the coordinator closes those of threads that did not come
   * to it. From the first line to the last nothing may be awaited, for it has to be one or the other's at any time.
   */
  #adopt(lease: number, { descriptor, identity, facts }: Offer): Promise<Lane> {
    // Closed by the coordinator, while this thread stood still: the number may be anybody's by now.
    const isOurs = identityOf(descriptor) === identity
    const isCurrent = this.#table.word(slotOfLease(lease)) === wordOfLease(lease) && this.#caller.lost === undefined
    if (isOurs && !isCurrent) closeSync(descriptor)
    const opening = isOurs && isCurrent ? this.#module.openLane(descriptor, facts) : undefined
    this.#caller.tell([kind.adopted, descriptor])
    if (opening) return opening
    throw new StaleLeaseError('The connection was taken away while this thread was about to use it.')
  }

  /** Connections that are gone leave their descriptors here until somebody looks. */
  sweep(): void {
    for (const [slot, track] of this.#tracks.entries()) {
      // An empty slot has no connection, whatever was opened there last.
      const isGone = track && (track.generation !== this.#table.generation(slot) || this.#table.state(slot) === 'empty')
      if (isGone) this.#drop(slot)
    }
  }

  #drop(slot: number): void {
    const lane = this.#tracks[slot]?.lane
    this.#tracks[slot] = undefined
    if (lane instanceof Promise) lane.then(opened => opened?.close()).catch(() => {})
    else lane?.close()
  }
}
