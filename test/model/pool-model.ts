import { LendingModel } from './lending-model.ts'
import type { Caller, Place } from './parts.ts'

/**
 * What a pool has to do, step by step, written from the numbered behaviours and the README's deviations. It knows no promises
 * and no threads but their names: each verb runs to its end at once, but for what the driver is slow at.
 */
export class PoolModel extends LendingModel {
  close(caller: Caller): void {
    const { trace } = this.driver
    const { connection, place } = caller
    if (caller.state === 'detached') return this.#closeDetached(caller, connection!)
    if (caller.state !== 'holds' || place === undefined) return
    caller.end()
    if (caller.thread === 'there' && this.handOn(place)) return
    const isOwn = caller.thread === 'there' && this.returnsHome(place)
    this.giveBack(place, trace)
    place.isWorkersOwn = isOwn && place.state === 'home'
  }

  invalidate(caller: Caller, how: 'hard' | 'soft', error: string): void {
    const { trace } = this.driver
    if (caller.state === 'detached' && how === 'hard') {
      caller.end()
      this.closeOutside(caller.connection!, trace)
    }
    const { place } = caller
    if (place === undefined || caller.state !== 'holds') return
    if (how === 'soft') return this.soften(place, error, trace)
    caller.end()
    this.endBroken(place, error, trace)
  }

  detach(caller: Caller): void {
    const { trace } = this.driver
    const { connection, place } = caller
    if (place === undefined || caller.state !== 'holds') return
    caller.end()
    caller.state = 'detached'
    place.connection = undefined
    // The place is free at once, and whoever gets it does not wait for the event (222, 223).
    this.comeHome(place, trace.branch())
    this.event(`detach ${connection}`, trace)
  }

  /** Of the whole pool; the first who reports a generation moves the clock (146-148). */
  invalidateAll(reporter: Caller | undefined, error: string): void {
    this.condemn(reporter?.stamp)
    if (reporter) this.invalidate(reporter, 'hard', error)
  }

  /** By the record. One that is out ends its loan (119); one at home stays there, empty (115). */
  invalidateRecord(place: Place, how: 'hard' | 'soft', error: string): void {
    const { trace } = this.driver
    if (place.holder) return this.invalidate(place.holder, how, error)
    if (place.connection === undefined) return
    if (how === 'soft') return this.soften(place, error, trace)
    this.event(`invalidate ${place.connection} (${error})`, trace)
    this.shut(place, trace)
  }

  closeRecord(place: Place): void {
    const { trace } = this.driver
    const { holder } = place
    this.shut(place, trace)
    if (holder === undefined) return
    holder.end()
    this.event('checkin -', trace)
    this.comeHome(place, trace)
  }

  /** What is at home is closed, each beside the others; what is not, when it comes home (245-247). */
  dispose(): void {
    for (const place of [...this.places]) {
      place.isRetiring = true
      if (place.state === 'home') this.drop(place, this.driver.trace.branch())
    }
  }

  #closeDetached(caller: Caller, connection: number): void {
    caller.end()
    this.reset(connection, this.driver.trace, at => this.closeOutside(connection, at))
  }
}
