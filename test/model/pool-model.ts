import type { DriverModel } from './driver-model.ts'
import { type Ask, Caller, type Place, remove, type Settings, type Thread } from './parts.ts'
import { PlacesModel } from './places-model.ts'
import type { Trace } from './trace.ts'

/** Which of several threads that all may be next was: where the specification leaves that open, reality is asked. */
export type Choose = (pool: PoolModel, threads: readonly Thread[]) => Thread

/**
 * What a pool has to do, step by step, written from the numbered behaviours and the README's deviations. It knows no promises
 * and no threads but their names: each verb runs to its end at once, but for what the driver is slow at.
 */
export class PoolModel extends PlacesModel {
  /** Who waits for a place, by arrival. */
  readonly #line: Ask[] = []
  /** The worker's own queue: the first of it gets what any ask of it is given, and the error if that fails (54). */
  readonly #queue: Caller[] = []
  /** The asks of that queue, in their order. */
  readonly #asks: Ask[] = []
  readonly #choose: Choose

  constructor(settings: Settings, driver: DriverModel, choose: Choose) {
    super(settings, driver)
    this.#choose = choose
  }

  /** Callers who wait. Those for whom a connection is being opened do not. */
  get waiting(): number {
    const here = this.#line.filter(({ thread }) => thread === 'here').length
    const opening = this.#asks.filter(({ isOpening }) => isOpening).length
    return here + Math.max(0, this.#queue.length - opening)
  }

  connect(thread: Thread, patience: 'waits' | 'now'): Caller {
    const caller = new Caller(this, thread)
    if (thread === 'there' && patience === 'waits') this.#queueUp(caller)
    else this.#ask({ thread, caller, isOpening: false, isLeft: false }, patience)
    return caller
  }

  /** The caller gives up; what is being opened for him goes on, and comes home for somebody else (47). */
  leave(caller: Caller): void {
    const place = this.#queue.indexOf(caller)
    const own = [...this.#line, ...this.places.map(({ ask }) => ask)].find(ask => ask?.caller === caller)
    const ask = own ?? this.#asks[Math.min(place, this.#asks.length - 1)]
    if (place !== -1) this.#queue.splice(place, 1)
    caller.fail('left')
    if (ask === undefined || (!own && this.#asks.length <= this.#wanted)) return
    if (!own) remove(this.#asks, ask)
    ask.isLeft = true
    if (!ask.isOpening) remove(this.#line, ask)
  }

  close(caller: Caller): void {
    const { trace } = this.driver
    const { connection, place } = caller
    if (caller.state === 'detached') return this.#closeDetached(caller, connection!)
    if (caller.state !== 'holds' || place === undefined) return
    caller.end()
    if (caller.thread === 'there' && this.#isHandedOn(place)) return this.#handOn(place)
    this.#reset(connection!, trace, (at, error) => {
      if (error === undefined) {
        this.event(`checkin ${connection}`, at)
        this.comeHome(place, at)
      } else this.#endBroken(place, error, at)
    })
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
    this.#endBroken(place, error, trace)
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

  protected override serve(at: Trace): void {
    for (let ask = this.#next(); ask; ask = this.#next()) {
      const place = this.take(ask.thread, 'in turn')
      if (place === undefined) return
      remove(this.#line, ask)
      this.#lend(place, ask, at.branch())
    }
  }

  /** Handed to the next waiter (50), or closed when the pool keeps enough (30), or kept. */
  protected override comeHome(place: Place, at: Trace): void {
    const ask = this.#next()
    if (place.isRetiring) this.drop(place, at)
    else if (ask) {
      remove(this.#line, ask)
      this.#lend(place, ask, at.branch())
    } else if (this.isSurplus(place)) this.drop(place, at)
    else this.keep(place)
  }

  /** A worker's caller stands in its queue, which takes by itself what is good and at home, and asks for what it lacks. */
  #queueUp(caller: Caller): void {
    this.#queue.push(caller)
    const place = this.lendsByItself ? this.takeGood('there') : undefined
    if (place) this.#queue.shift()!.hold(place)
  }

  /** The worker asks for what its queue still lacks: after all else, for it has to hear of that first. */
  askMore(): void {
    while (this.#asks.length < this.#wanted) {
      const ask: Ask = { thread: 'there', caller: undefined, isOpening: false, isLeft: false }
      this.#asks.push(ask)
      this.#ask(ask, 'waits')
    }
  }

  /** How many asks the worker's queue needs; where it serves itself, one more at a time. */
  get #wanted(): number {
    const opening = this.#asks.filter(({ isOpening }) => isOpening).length
    return Math.min(this.#queue.length, this.lendsByItself ? opening + 1 : Number.POSITIVE_INFINITY)
  }

  /** From one caller of the worker to the next; then an ask may be one too many. */
  #handOn(place: Place): void {
    this.#queue.shift()!.hold(place)
    const waiting = this.#line.filter(ask => this.#asks.includes(ask))
    for (const ask of waiting.slice(this.#queue.length)) {
      remove(this.#asks, ask)
      remove(this.#line, ask)
    }
  }

  /** Whoever comes while others wait stands behind them. */
  #ask(ask: Ask, patience: 'waits' | 'now'): void {
    const isFirst = this.#queue.length === 0 && ask.thread === 'there'
    const place = this.#line.length === 0 ? this.take(ask.thread, isFirst ? 'by itself' : 'in turn') : undefined
    if (place) this.#lend(place, ask, this.driver.trace)
    else if (patience === 'waits') this.#line.push(ask)
    else ask.caller?.fail('TimeoutError')
  }

  /** Of the threads that wait the one that holds fewest; among equals the oldest, or where threads lend by themselves either. */
  #next(): Ask | undefined {
    const threads = [...new Set(this.#line.map(({ thread }) => thread))]
    const thread = this.#fairest(threads)
    return this.#line.find(ask => ask.thread === thread)
  }

  #fairest(threads: readonly Thread[]): Thread | undefined {
    const fewest = Math.min(...threads.map(thread => this.heldBy(thread)))
    const equals = threads.filter(thread => this.heldBy(thread) === fewest)
    return equals.length > 1 && this.lendsByItself ? this.#choose(this, equals) : equals[0]
  }

  /** A worker that returns by itself hands on to its own next caller, as far as that is fair, even one who is being opened for. */
  #isHandedOn(place: Place): boolean {
    if (!this.returnsByItself || this.#queue.length === 0 || place.isRetiring || this.isStale(place)) return false
    const others = this.#line.filter(({ thread }) => thread === 'here').map(({ thread }) => thread)
    return this.#fairest([...new Set<Thread>(['there', ...others])]) === 'there'
  }

  #lend(place: Place, ask: Ask, at: Trace): void {
    place.thread = ask.thread
    if (place.connection !== undefined && !this.isStale(place)) return this.#examine(place, ask, at)
    this.shut(place, at)
    this.#open(place, ask, at)
  }

  #open(place: Place, ask: Ask, at: Trace): void {
    ask.isOpening = true
    place.ask = ask
    this.beginOpen(place, at, (number, at, error) => {
      if (error !== undefined) return this.#openFailed(place, ask, error, at)
      this.opened(place, number, at)
      // One that is new is looked at once more, for it may have been condemned meanwhile; one reopened is not (108, 109).
      if (place.openings === 1 && this.isStale(place)) return this.#lend(place, ask, at)
      this.#examine(place, ask, at)
    })
  }

  /** A new place is gone without a trace (278); an old one comes home empty (279). */
  #openFailed(place: Place, ask: Ask, error: string, at: Trace): void {
    this.#fail(ask, error)
    place.ask = undefined
    if (place.openings === 0) return this.drop(place, at)
    this.event('checkin -', at)
    this.comeHome(place, at)
  }

  /** Ping, unless it has just been opened (166), and checkout listeners. */
  #examine(place: Place, ask: Ask, at: Trace): void {
    place.ask = undefined
    if (ask.isLeft) return this.comeHome(place, at)
    const { connection } = place
    if (this.settings.prePing && !place.isFresh) {
      at.say(`ping ${connection}`)
      if (this.driver.mood.ping === 'fails') {
        this.#fail(ask, `ping ${connection} fails`)
        return this.#endBroken(place, `ping ${connection} fails`, at)
      }
      if (this.driver.mood.ping === 'dead') {
        this.event(`invalidate ${connection} (The connection did not answer a ping.)`, at)
        this.shut(place, at)
        this.condemn(place.stamp)
        return this.#open(place, ask, at)
      }
    }
    place.isFresh = false
    this.event(`checkout ${connection}`, at)
    if (ask.caller === undefined) remove(this.#asks, ask)
    const caller = ask.caller ?? this.#queue.shift()
    if (caller) caller.hold(place)
    else this.comeHome(place, at)
  }

  #fail(ask: Ask, error: string): void {
    if (ask.isLeft) return
    if (ask.caller) return ask.caller.fail(error)
    remove(this.#asks, ask)
    this.#queue.shift()?.fail(error)
  }

  #reset(connection: number, at: Trace, then: (at: Trace, error?: string) => void): void {
    const { path, resetOnReturn } = this.settings
    this.event(`reset ${connection}`, at)
    if (resetOnReturn === 'none' || path === 'clean') then(at)
    else this.driver.pass('reset', `${resetOnReturn} ${connection}`, at, then)
  }

  /** The connection is broken, and closed; whoever held it has no say in it (133, 184). */
  #endBroken(place: Place, error: string, at: Trace): void {
    place.state = 'ending'
    this.event(`invalidate ${place.connection} (${error})`, at)
    this.shut(place, at)
    this.event('checkin -', at)
    this.comeHome(place, at)
  }

  #closeDetached(caller: Caller, connection: number): void {
    caller.end()
    this.#reset(connection, this.driver.trace, at => this.closeOutside(connection, at))
  }
}
