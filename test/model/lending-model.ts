import type { DriverModel } from './driver-model.ts'
import { type Ask, Caller, type Place, remove, type Settings, type Thread } from './parts.ts'
import { PlacesModel } from './places-model.ts'
import type { Trace } from './trace.ts'

/** Which of several threads that all may be next was: where the specification leaves that open, reality is asked. */
export type Choose = (threads: readonly Thread[]) => Thread

/** From `connect()` to a fairy or an error: who waits, who is next, and what is done with a place before it is lent. */
export abstract class LendingModel extends PlacesModel {
  /**
   * What comes next is not said anywhere. Either a grant has crossed an invalidation, so that the first caller may not have it: the
   * worker sends it home and asks anew, and which of the two the coordinator gets done with first may be either. What the worker does
   * about it is `lessee.test.ts`'s. Or a caller has come who needs no ask, as a connection is being opened for his queue, and an ask
   * that stood for nobody may stand for him.
   */
  isUndecided = false
  /** Who waits for a place, by arrival. */
  readonly #line: Ask[] = []
  /** The worker's own queue: the first of it gets what any ask of it is given, and the error if that fails (54). */
  readonly #queue: Caller[] = []
  /** The asks of that queue, in their order. */
  readonly #asks: Ask[] = []
  readonly #choose: Choose
  #lastAsk = 0
  /** The number of an ask that was in line when its queue became empty. The coordinator forgets it when nobody has come for 10 to 20 ms. */
  #standing: number | undefined
  /** Callers in the worker that have failed, which it hears of at the end of the step: until then it says that they wait. */
  #unheard = 0

  constructor(settings: Settings, driver: DriverModel, choose: Choose) {
    super(settings, driver)
    this.#choose = choose
  }

  /** Callers who wait. Those for whom a connection is on its way do not. */
  get waiting(): number {
    const here = this.#line.filter(({ thread }) => thread === 'here').length
    return here + Math.max(0, this.#queue.length - this.#served)
  }

  connect(thread: Thread, patience: 'waits' | 'now'): Caller {
    const caller = new Caller(thread)
    caller.came = { ask: this.#lastAsk, invalidation: this.condemned }
    if (thread === 'there' && patience === 'waits') this.#queueUp(caller)
    else this.#ask(this.#askOf(thread, caller), patience)
    return caller
  }

  /** The caller gives up. What is being opened for him goes on, and comes home for somebody else (47); what is being pinged may hang (168). */
  leave(caller: Caller): void {
    const index = this.#queue.indexOf(caller)
    const own = [...this.#line, ...this.places.map(({ ask }) => ask)].find(ask => ask?.caller === caller)
    const ask = own ?? this.#asks[Math.min(index, this.#asks.length - 1)]
    if (index !== -1) this.#queue.splice(index, 1)
    caller.fail('left')
    if (ask === undefined || (!own && this.#asks.length <= this.#wanted)) return
    if (!own) remove(this.#asks, ask)
    ask.isLeft = true
    if (!ask.isServed) return remove(this.#line, ask)
    const place = this.places.find(place => place.ask === ask)
    if (place?.state !== 'examined') return
    this.endBroken(place, caller.thread === 'here' ? 'left' : 'The caller has left.', this.driver.trace)
  }

  /** The worker asks for what its queue still lacks: after all else, for it has to hear of that first. */
  askMore(): void {
    this.#unheard = 0
    if (this.#queue.length === 0) return
    if (this.#standing !== undefined && this.#asks.length >= this.#wanted) this.isUndecided = true
    while (this.#asks.length < this.#wanted) {
      const ask = this.#askOf('there', undefined, this.#standing)
      this.#standing = undefined
      this.#asks.push(ask)
      this.#ask(ask, 'waits')
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
  protected comeHome(place: Place, at: Trace): void {
    Object.assign(place, { state: 'free', ask: undefined })
    const ask = this.#next()
    if (place.isRetiring) this.drop(place, at)
    else if (ask) {
      remove(this.#line, ask)
      this.#lend(place, ask, at.branch())
    } else if (this.isSurplus(place)) this.drop(place, at)
    else this.keep(place)
  }

  /** Granted to a worker in which nobody waits any more: it gives it back as its callers do. */
  #returnUnused(place: Place, at: Trace): void {
    const isOwn = this.returnsHome(place)
    this.comeHome(place, at)
    place.isWorkersOwn = isOwn && place.state === 'home'
  }

  /** As by a close: reset, and then it comes home. */
  protected giveBack(place: Place, at: Trace): void {
    const { connection } = place
    place.state = 'ending'
    this.reset(connection!, at, (at, error) => {
      if (error === undefined) {
        this.event(`checkin ${connection}`, at)
        this.comeHome(place, at)
      } else this.endBroken(place, error, at)
    })
  }

  protected reset(connection: number, at: Trace, then: (at: Trace, error?: string) => void): void {
    const { path, resetOnReturn } = this.settings
    this.event(`reset ${connection}`, at)
    if (resetOnReturn === 'none' || path === 'clean') then(at)
    else this.driver.pass('reset', `${resetOnReturn} ${connection}`, at, then)
  }

  /** The connection is broken, and closed; whoever held it has no say in it (133, 184). */
  protected endBroken(place: Place, error: string, at: Trace): void {
    place.state = 'ending'
    this.event(`invalidate ${place.connection} (${error})`, at)
    this.shut(place, at)
    this.event('checkin -', at)
    this.comeHome(place, at)
  }

  /**
   * A worker that returns by itself hands on to its own next caller, as far as that is fair, even to one who is being opened for;
   * then an ask may be one too many.
   */
  protected handOn(place: Place): boolean {
    if (this.returnsByItself) this.#dropNeedless()
    if (!this.returnsByItself || this.#queue.length === 0 || place.isRetiring || this.isStale(place)) return false
    place.state = 'free'
    const others = this.#line.filter(({ thread }) => thread === 'here').map(({ thread }) => thread)
    if (this.#fairest([...new Set<Thread>(['there', ...others])]) !== 'there') return false
    this.#queue.shift()!.hold(place)
    this.#dropNeedless()
    return true
  }

  /** Its callers may have been served by what another ask has brought, or by each other: then asks in the line are nobody's. */
  #dropNeedless(): void {
    const waiting = this.#line.filter(ask => this.#asks.includes(ask))
    for (const ask of waiting.slice(this.#queue.length + this.#unheard)) {
      remove(this.#asks, ask)
      remove(this.#line, ask)
      if (this.#queue.length === 0) this.#standing = ask.number
    }
  }

  get #served(): number {
    return this.#asks.filter(({ isServed }) => isServed).length
  }

  /** How many asks the worker's queue needs; where it serves itself, one more at a time. */
  get #wanted(): number {
    return Math.min(this.#queue.length, this.lendsByItself ? this.#served + 1 : Number.POSITIVE_INFINITY)
  }

  /** A worker's caller stands in its queue, which takes by itself what is good and at home. */
  #queueUp(caller: Caller): void {
    this.#queue.push(caller)
    const place = this.lendsByItself ? this.takeGood('there') : undefined
    if (place) this.#queue.shift()!.hold(place)
  }

  /** Whoever comes while others wait stands behind them. */
  #ask(ask: Ask, patience: 'waits' | 'now'): void {
    const isFirst = this.#queue.length === 0 && ask.thread === 'there'
    const place = this.#line.length === 0 ? this.take(ask.thread, isFirst ? 'by itself' : 'in turn') : undefined
    if (place) this.#lend(place, ask, this.driver.trace)
    else if (patience === 'waits') this.#line.push(ask)
    else ask.caller?.fail('TimeoutError')
  }

  /** Of the threads that wait the one that holds fewest; among equals who came first, or where threads lend by themselves either. */
  #next(): Ask | undefined {
    this.#dropNeedless()
    const first = (thread: Thread): Ask => this.#line.find(ask => ask.thread === thread)!
    const threads = [...new Set(this.#line.map(({ thread }) => thread))]
    threads.sort((a, b) => this.#cameOf(first(a)) - this.#cameOf(first(b)))
    const thread = this.#fairest(threads)
    return thread && first(thread)
  }

  /** When the caller came who would be served: an ask may stand for one who has come after it, and after others. */
  #cameOf({ thread, number }: Ask): number {
    return thread === 'here' ? number : Math.max(number, (this.#queue[0]?.came.ask ?? 0) + 0.5)
  }

  #fairest(threads: readonly Thread[]): Thread | undefined {
    const fewest = Math.min(...threads.map(thread => this.heldBy(thread)))
    const equals = threads.filter(thread => this.heldBy(thread) === fewest)
    return equals.length > 1 && this.lendsByItself ? this.#choose(equals) : equals[0]
  }

  #lend(place: Place, ask: Ask, at: Trace): void {
    Object.assign(place, { thread: ask.thread, ask })
    ask.isServed = true
    if (place.connection !== undefined && !this.isStale(place)) return this.#examine(place, ask, at)
    this.shut(place, at)
    this.#open(place, ask, at)
  }

  #open(place: Place, ask: Ask, at: Trace): void {
    this.open(place, at, (at, error) => {
      if (error !== undefined) return this.#openFailed(place, ask, error, at)
      // One that is new is looked at once more, for it may have been condemned meanwhile; one reopened is not (108, 109).
      if (place.openings === 1 && this.isStale(place)) return this.#lend(place, ask, at)
      if (ask.isLeft) return this.comeHome(place, at)
      if (ask.examinations > 0) return this.#examine(place, ask, at)
      this.#fail(ask, 'InvalidRequestError')
      this.endBroken(place, 'undefined', at)
    })
  }

  /** A new place is gone without a trace, and its connection, if there is one (278, 280); an old one comes home empty (279, 281). */
  #openFailed(place: Place, ask: Ask, error: string, at: Trace): void {
    this.#fail(ask, error)
    if (place.openings === 0) return this.drop(place, at)
    if (place.connection !== undefined) return this.endBroken(place, error, at)
    this.event('checkin -', at)
    this.comeHome(place, at)
  }

  /** Ping, unless it has just been opened (166). */
  #examine(place: Place, ask: Ask, at: Trace): void {
    const name = `ping ${place.connection}`
    place.state = 'examined'
    if (!this.settings.prePing || place.isFresh) return this.#checkout(place, ask, at)
    this.driver.pass('ping', name, at, (at, error) => {
      if (ask.isLeft) return
      if (error !== undefined) return this.#refuse(place, ask, error, at)
      if (this.driver.mood.ping !== 'dead') return this.#checkout(place, ask, at)
      const { stamp } = place
      this.#replace(place, ask, 'The connection did not answer a ping.', at, () => this.condemn(stamp))
    })
  }

  /** The checkout listeners, and then it is lent. */
  #checkout(place: Place, ask: Ask, at: Trace): void {
    place.isFresh = false
    const outcome = this.event(`checkout ${place.connection}`, at)
    if (outcome === 'disconnects') return this.#replace(place, ask, 'gone', at)
    if (outcome === 'fails') return this.#refuse(place, ask, 'refused', at)
    if (ask.caller === undefined) remove(this.#asks, ask)
    place.ask = undefined
    const [first] = this.#queue
    if (ask.caller) ask.caller.hold(place)
    else if (first === undefined) this.#returnUnused(place, at)
    else if (this.#isFor(first, place, ask)) this.#queue.shift()?.hold(place)
    else this.isUndecided = true
  }

  /** Who comes after an invalidation gets nothing from before it, though it was granted before he came, to an older ask. */
  #isFor({ came }: Caller, { stamp, isSoft, isRetiring }: Place, ask: Ask): boolean {
    return ask.number > came.ask || !(isSoft || isRetiring || stamp < came.invalidation)
  }

  /** A dead one is replaced in its place, twice at most (207-209). */
  #replace(place: Place, ask: Ask, error: string, at: Trace, closed = (): void => {}): void {
    ask.examinations--
    this.event(`invalidate ${place.connection} (${error})`, at)
    this.shut(place, at)
    closed()
    this.#open(place, ask, at)
  }

  /** The caller gets the error, and the connection is closed (168, 215). */
  #refuse(place: Place, ask: Ask, error: string, at: Trace): void {
    this.#fail(ask, error)
    this.endBroken(place, error, at)
  }

  /** `standing`: it may be that older one. */
  #askOf(thread: Thread, caller: Caller | undefined, standing?: number): Ask {
    const number = ++this.#lastAsk
    return { thread, caller, number: standing ?? number, isServed: false, isLeft: false, examinations: 2 }
  }

  #fail(ask: Ask, error: string): void {
    if (ask.isLeft) return
    if (ask.caller) return ask.caller.fail(error)
    remove(this.#asks, ask)
    const first = this.#queue.shift()
    if (first === undefined) return
    first.fail(error)
    this.#unheard++
  }
}
