import type { DriverModel } from './driver-model.ts'
import { type Place, remove, type Settings, type Thread } from './parts.ts'
import type { Trace } from './trace.ts'

/** The places of a pool and their connections: how many there may be, which is next, when one is too old. */
export abstract class PlacesModel {
  readonly settings: Settings
  readonly driver: DriverModel
  readonly places: Place[] = []
  #clock = 0
  protected condemned = 0
  #returns = 0
  #hasConnected = false

  constructor(settings: Settings, driver: DriverModel) {
    this.settings = settings
    this.driver = driver
  }

  get checkedin(): number {
    return this.places.filter(({ state }) => state === 'home').length
  }

  get checkedout(): number {
    return this.places.length - this.checkedin
  }

  /** Negative until there are `poolSize` (24); a pool of size 0 has none (35). */
  get overflow(): number {
    const { poolSize } = this.settings
    return poolSize === 0 ? 0 : this.places.length - poolSize
  }

  /** Places in the hands of a thread, or on their way to it or from it. */
  usedBy(thread: Thread): number {
    const isUsed = ({ state }: Place): boolean => state !== 'home' && state !== 'free'
    return this.places.filter(place => isUsed(place) && place.thread === thread).length
  }

  /** Connections in the hands of a thread: what is fair goes by them. */
  protected heldBy(thread: Thread): number {
    const isHeld = ({ state }: Place): boolean => state === 'out' || state === 'examined'
    return this.places.filter(place => isHeld(place) && place.thread === thread).length
  }

  /** Where nobody listens and nothing is pinged, a thread lends to itself what is at home and good as it is. */
  protected get lendsByItself(): boolean {
    return this.settings.path !== 'heard' && !this.settings.prePing
  }

  /** And hands on what needs no reset. */
  protected get returnsByItself(): boolean {
    return this.lendsByItself && (this.settings.path === 'clean' || this.settings.resetOnReturn === 'none')
  }

  /** Unless there is one too many: then the coordinator sees to it. */
  protected returnsHome(place: Place): boolean {
    const { poolSize } = this.settings
    return this.returnsByItself && !place.isRetiring && (poolSize === 0 || this.places.length <= poolSize)
  }

  /** There is a place: whoever waits may have it. */
  protected abstract serve(at: Trace): void

  /** One that is at home is preferred to a new one (29); the oldest return first, or the latest (57), of those a worker had last. */
  protected take(thread: Thread, how: 'in turn' | 'by itself'): Place | undefined {
    const good = how === 'by itself' && this.lendsByItself ? this.takeGood(thread) : undefined
    const place = good ?? this.#first(this.places.filter(({ state }) => state === 'home')) ?? this.#create(thread)
    if (place) Object.assign(place, { state: 'opening', thread })
    return place
  }

  protected takeGood(thread: Thread): Place | undefined {
    const isGood = (place: Place): boolean => place.connection !== undefined && !this.isStale(place)
    const good = this.places.filter(place => place.state === 'home' && isGood(place))
    const own = thread === 'there' ? good.filter(place => place.isWorkersOwn) : []
    const place = this.#first(own) ?? this.#first(good)
    if (place) Object.assign(place, { state: 'opening', thread })
    return place
  }

  protected keep(place: Place): void {
    place.state = 'home'
    place.isFresh = false
    place.isWorkersOwn = false
    place.returned = ++this.#returns
  }

  /** At home there are enough, and in all too many (30). */
  protected isSurplus(place: Place): boolean {
    const { poolSize } = this.settings
    const others = this.places.filter(each => each !== place && each.state === 'home').length
    return poolSize > 0 && this.places.length > poolSize && others >= poolSize
  }

  /** The place is no more: whoever waits can have another. Of a connection that was never lent nobody is told (280). */
  protected drop(place: Place, at: Trace): void {
    if (place.openings > 0) this.shut(place, at)
    else if (place.connection !== undefined) this.#close(place.connection, at)
    remove(this.places, place)
    this.serve(at)
  }

  /** The stamp comes before the open: an invalidation meanwhile condemns it (152). */
  protected open(place: Place, at: Trace, then: (at: Trace, error?: string) => void): void {
    place.state = 'opening'
    place.stamp = ++this.#clock
    place.isSoft = false
    const number = this.driver.nextNumber()
    this.driver.pass('open', `open ${number}`, at, (at, error) => {
      const failure = error ?? this.#opened(place, number, at)
      if (failure === undefined) place.openings++
      then(at, failure)
    })
  }

  /** Why its listeners refuse it, if they do. */
  #opened(place: Place, number: number, at: Trace): string | undefined {
    this.driver.open.add(number)
    Object.assign(place, { connection: number, isFresh: true })
    if (!this.#hasConnected) this.event(`firstConnect ${number}`, at)
    this.#hasConnected = true
    return this.event(`connect ${number}`, at) === 'fails' ? 'refused' : undefined
  }

  protected isStale(place: Place): boolean {
    return place.isSoft || this.#isCondemned(place.stamp)
  }

  protected condemn(stamp: number | undefined): void {
    if (stamp === undefined || !this.#isCondemned(stamp)) this.condemned = ++this.#clock
  }

  protected soften(place: Place, error: string, at: Trace): void {
    this.event(`softInvalidate ${place.connection} (${error})`, at)
    place.isSoft = true
  }

  /** Closes the place's connection, if there is one. */
  protected shut(place: Place, at: Trace): void {
    const { connection } = place
    if (connection === undefined) return
    this.event(`close ${connection}`, at)
    place.connection = undefined
    this.#close(connection, at)
  }

  /** Closes one that has left the pool. */
  protected closeOutside(connection: number, at: Trace): void {
    this.event(`closeDetached ${connection}`, at)
    this.#close(connection, at)
  }

  /** How the listeners take it. */
  protected event(line: string, at: Trace): 'ok' | 'fails' | 'disconnects' {
    if (this.settings.path !== 'heard') return 'ok'
    at.say(`on ${line}`)
    const { listeners } = this.driver.mood
    if (line.startsWith('connect')) return listeners === 'refuse a new one' ? 'fails' : 'ok'
    if (!line.startsWith('checkout')) return 'ok'
    return listeners === 'refuse one' ? 'fails' : listeners === 'find one dead' ? 'disconnects' : 'ok'
  }

  #close(connection: number, at: Trace): void {
    at.say(`close ${connection}`)
    this.driver.open.delete(connection)
  }

  #isCondemned(stamp: number): boolean {
    return stamp < this.condemned
  }

  #first(places: readonly Place[]): Place | undefined {
    const [first, ...others] = places
    const isBefore = (a: Place, b: Place): boolean =>
      this.settings.useLifo ? a.returned > b.returned : a.returned < b.returned
    return first && others.reduce((next, place) => (isBefore(place, next) ? place : next), first)
  }

  #create(thread: Thread): Place | undefined {
    const { poolSize, maxOverflow } = this.settings
    const isLimited = poolSize > 0 && maxOverflow >= 0
    if (isLimited && this.places.length >= poolSize + maxOverflow) return undefined
    const place: Place = {
      connection: undefined,
      state: 'opening',
      thread,
      holder: undefined,
      ask: undefined,
      stamp: 0,
      openings: 0,
      isFresh: false,
      isSoft: false,
      isRetiring: false,
      returned: 0,
      isWorkersOwn: false,
    }
    this.places.push(place)
    return place
  }
}
