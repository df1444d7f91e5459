import { Alarm } from '../base/alarm.ts'
import { monotonicMs } from '../base/clock.ts'
import { asError } from '../base/errors.ts'
import { slotFlag } from '../slots/layout.ts'
import { isIdle, stateOf } from '../slots/state.ts'
import { getConnection } from './connecting.ts'
import { restOrLose } from './handing-over.ts'
import { lifetimeOf } from './lifetime.ts'
import { askServer } from './pinging.ts'
import type { Pool } from './pool.ts'
import type { QueueSettings } from './queue-options.ts'
import type { ConnectionRecord } from './record.ts'
import { dispatchInvalidate } from './returning.ts'

/** A period is looked after ten times while it passes, but not at every moment nor for minutes not at all. */
const looks = 10
const [shortestLookMs, longestLookMs] = [5, 30_000] as const

/** Where some are to be ready at any time. Nobody says when a thread has taken one by itself. */
const readyLookMs = 100

/** After a failure to open: so long, twice as long after each that follows, and no longer than that; half of it is left to chance. */
const [firstRestMs, longestRestMs] = [100, 10_000] as const

/** Is there anything to do? */
export const hasUpkeep = ({ maxLifetimeMs, idleTimeoutMs, minIdle, keepaliveMs }: QueueSettings): boolean =>
  minIdle > 0 || [maxLifetimeMs, idleTimeoutMs, keepaliveMs].some(each => each !== null)

/** A connection that lies idle, as far as is known here. */
interface Rest {
  /** The slot's word. A loan changes it for good; to be looked at does not. */
  readonly word: number
  /** When it was first seen so: it came home no later, and one look earlier at most. */
  readonly since: number
  /** When it last answered a ping since then. */
  heardAt: number
}

/** A ping under way. */
interface Ping {
  readonly until: number
  readonly giveUp: () => void
}

/**
 * What a pool does by itself: closes what is too old or has been idle for too long, asks the idle whether they are alive, keeps
 * some ready. There is one timer for all of it, and none while there is nothing to look after.
 *
 * It holds a connection before it touches it (`reserved` in its slot): nobody lends a record that he does not hold. And it never
 * holds more than half of the idle for a ping, so that it is in nobody's way.
 */
export class Upkeep<C extends object> {
  readonly #pool: Pool<C>
  readonly #create: () => ConnectionRecord<C> | undefined
  readonly #alarm = new Alarm(() => this.#look())
  /** By slot. */
  readonly #rests: (Rest | undefined)[] = []
  readonly #pings = new Map<ConnectionRecord<C>, Ping>()
  /** By session: how a thread is told to let go what it has of connections that are closed. */
  readonly #threads = new Map<number, () => void>()
  #state: 'asleep' | 'awake' | 'opening' = 'asleep'
  /** Connections have been closed since the threads were told to let go of such. */
  #isUntold = false
  #failures = 0
  #opensAt = 0

  /** `create` makes a record that is being opened by this thread; undefined: every place is taken. */
  constructor(pool: Pool<C>, create: () => ConnectionRecord<C> | undefined) {
    this.#pool = pool
    this.#create = create
  }

  /** There is something to look after, and what is to be ready is opened. */
  wake(): void {
    if (this.#state !== 'asleep') return this.#alarm.set(monotonicMs() + this.#periodMs)
    this.#state = 'awake'
    this.#soon()
  }

  /** The pool was disposed: nothing is opened again before somebody wants a connection. */
  sleep(): void {
    this.#state = 'asleep'
    this.#alarm.stop()
  }

  /** Something has changed: there may be something to do. */
  changed(): void {
    if (this.#state === 'awake') this.#soon()
  }

  /** A record is no more. Threads may have descriptors of its connection: they are told at the next look, not for each. */
  discarded(record: ConnectionRecord<C>): void {
    this.#rests[record.slot] = undefined
    this.#isUntold = true
    if (this.#state === 'asleep') this.#tell()
  }

  /** A thread has attached that keeps descriptors of connections it has held. */
  join(session: number, letGo: () => void): void {
    this.#threads.set(session, letGo)
  }

  leave(session: number): void {
    this.#threads.delete(session)
  }

  /** In the next turn: whoever has just made the pool is about to add his listeners. */
  #soon(): void {
    this.#alarm.set(monotonicMs())
  }

  #look(): void {
    const now = monotonicMs()
    this.#tell()
    this.#observe(now)
    let next = Math.min(this.#closeSpent(now), this.#closeIdle(now), this.#pingIdle(now))
    next = Math.min(next, this.#open(now))
    if (this.#pool.records.size > 0) next = Math.min(next, now + this.#periodMs)
    if (next < Number.POSITIVE_INFINITY && this.#state !== 'asleep') this.#alarm.set(next)
  }

  #tell(): void {
    if (!this.#isUntold) return
    this.#isUntold = false
    for (const letGo of this.#threads.values()) letGo()
  }

  get #periodMs(): number {
    const { idleTimeoutMs, keepaliveMs, maxLifetimeMs, minIdle } = this.#pool.settings
    const shortest = Math.min(...[idleTimeoutMs, keepaliveMs, maxLifetimeMs].map(each => each ?? longestLookMs * looks))
    const period = Math.min(longestLookMs, Math.max(shortestLookMs, shortest / looks))
    return minIdle > 0 ? Math.min(readyLookMs, period) : period
  }

  /** Who is idle, and since when. */
  #observe(now: number): void {
    const { slots, records } = this.#pool
    for (const record of records) {
      const { slot } = record
      const word = slots.word(slot)
      const known = this.#rests[slot]
      // It is only looked at, and will be as it was.
      if (this.#pings.has(record)) continue
      if (!isIdle(word)) this.#rests[slot] = undefined
      else if (known?.word !== word) this.#rests[slot] = { word, since: now, heardAt: now }
    }
  }

  /** What must not be lent any more is closed where it lies, and what is out past its time as it comes home. Returns when the next is due. */
  #closeSpent(now: number): number {
    const { slots, settings, records, log } = this.#pool
    const lifetimeMs = settings.maxLifetimeMs ?? Number.POSITIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    let isAnyOver = false
    for (const record of records) {
      if (record.connection === undefined || record.isRetiring) continue
      if (record.staleness !== undefined && record.reserve()) void this.#close(record, 'must not be lent any more')
      const endsAt = slots.openedAt(record.slot) + lifetimeOf(slots.generation(record.slot), lifetimeMs)
      if (endsAt > now) {
        next = Math.min(next, endsAt)
        continue
      }
      slots.mark(record.slot, slotFlag.retiring)
      log.info(named => `${named(record.connection)} has reached its lifetime`)
      isAnyOver = true
    }
    // Marked first, then closed where it is idle, as in `dispose()`: a thread that returns one by itself does it the other way round.
    if (isAnyOver) this.#pool.tidy()
    return next
  }

  #closeIdle(now: number): number {
    const { idleTimeoutMs, minIdle } = this.#pool.settings
    if (idleTimeoutMs === null) return Number.POSITIVE_INFINITY
    const idle = this.#idle().sort((a, b) => a.rest.since - b.rest.since)
    for (const { record, rest } of idle.slice(0, Math.max(0, idle.length - minIdle))) {
      if (rest.since + idleTimeoutMs > now) return rest.since + idleTimeoutMs
      if (record.reserve()) void this.#close(record, 'has been idle for too long')
    }
    return Number.POSITIVE_INFINITY
  }

  #pingIdle(now: number): number {
    const { keepaliveMs } = this.#pool.settings
    let next = Number.POSITIVE_INFINITY
    for (const { until, giveUp } of [...this.#pings.values()]) {
      if (until <= now) giveUp()
      else next = Math.min(next, until)
    }
    if (keepaliveMs === null || this.#pool.isSuspended || this.#pool.dialect.ping === undefined) return next
    const idle = this.#idle().sort((a, b) => a.rest.heardAt - b.rest.heardAt)
    const most = Math.ceil((idle.length + this.#pings.size) / 2)
    for (const { record, rest } of idle) {
      if (rest.heardAt + keepaliveMs > now) return Math.min(next, rest.heardAt + keepaliveMs)
      // Whoever is not asked now is when one of these has answered.
      if (this.#pings.size >= most) return next
      if (record.reserve()) next = Math.min(next, this.#ping(record, rest, now))
    }
    return next
  }

  #idle(): { readonly record: ConnectionRecord<C>; readonly rest: Rest }[] {
    const idle: { record: ConnectionRecord<C>; rest: Rest }[] = []
    for (const record of this.#pool.records) {
      const rest = this.#rests[record.slot]
      if (rest !== undefined && rest.word === this.#pool.slots.word(record.slot)) idle.push({ record, rest })
    }
    return idle
  }

  /** It is reserved. Returns when the ping must have been answered; nobody waits for it, so that is seen to here. */
  #ping(record: ConnectionRecord<C>, rest: Rest, now: number): number {
    const until = now + this.#pool.settings.resetTimeoutMs
    const late = new Promise<Error>(resolve => {
      const giveUp = (): void => resolve(new Error('It did not answer a ping in time.'))
      this.#pings.set(record, { until, giveUp })
    })
    void Promise.race([late, this.#failureOf(record)]).then(failure => this.#answered(record, rest, failure))
    return until
  }

  /** Why the connection is not alive, if it is not. */
  async #failureOf(record: ConnectionRecord<C>): Promise<Error | undefined> {
    const dead = new Error('It did not answer a ping.')
    try {
      if (record.attendance?.unread === 'closed') return dead
      record.attendance?.begin()
      return (await askServer(this.#pool, record.attendance, record.connection!)) ? undefined : dead
    } catch (error) {
      return asError(error)
    }
  }

  async #answered(record: ConnectionRecord<C>, rest: Rest, failure: Error | undefined): Promise<void> {
    this.#pings.delete(record)
    if (failure) {
      await dispatchInvalidate(this.#pool, record, failure)
      await record.shut('abrupt')
      this.#pool.discard(record)
    } else {
      rest.heardAt = monotonicMs()
      if (this.#pool.handsOver) restOrLose(this.#pool, record)
      // What was said of it meanwhile is acted upon where it lies.
      if (record.staleness === undefined) record.become('idle')
      else await this.#close(record, 'must not be lent any more')
    }
    this.#pool.tidy()
    this.changed()
  }

  /** It is reserved. */
  async #close(record: ConnectionRecord<C>, why: string): Promise<void> {
    this.#pool.log.info(named => `${named(record.connection)} ${why}; closing`)
    await record.shut('polite')
    this.#pool.discard(record)
    this.changed()
  }

  /** Opens one more, if too few are ready. One at a time: nobody waits for it. Returns when to try again after a failure. */
  #open(now: number): number {
    const { settings, records, slots, isSuspended } = this.#pool
    const { minIdle, poolSize } = settings
    if (minIdle === 0 || this.#state !== 'awake' || isSuspended) return Number.POSITIVE_INFINITY
    let ready = this.#pings.size
    let emptied: ConnectionRecord<C> | undefined
    for (const record of records) {
      const state = stateOf(slots.word(record.slot))
      if (state === 'idle') ready++
      else if (state === 'empty') emptied = record
    }
    if (ready >= minIdle) return Number.POSITIVE_INFINITY
    if (this.#opensAt > now) return this.#opensAt
    if (!this.#pool.prober.mayOpen) return now + firstRestMs
    // What an invalidation has emptied keeps its place until somebody reopens it.
    if (emptied) this.#pool.prober.claimed(emptied)
    emptied?.become('opening', 0)
    const record = emptied ?? (poolSize === 0 || records.size < poolSize ? this.#create() : undefined)
    if (record) void this.#openInto(record)
    return Number.POSITIVE_INFINITY
  }

  async #openInto(record: ConnectionRecord<C>): Promise<void> {
    this.#state = 'opening'
    try {
      await getConnection(this.#pool, record, 0)
      this.#failures = 0
      record.become('returning')
      await this.#pool.returnConnection(record)
    } catch (error) {
      if (this.#failures === 0)
        this.#pool.log.warn('a connection that is to be ready can not be opened.', asError(error))
      const rest = Math.min(longestRestMs, firstRestMs * 2 ** this.#failures++)
      this.#opensAt = monotonicMs() + (rest * (1 + Math.random())) / 2
    }
    // It may have been sent to sleep meanwhile.
    if (this.#state !== 'opening') return
    this.#state = 'awake'
    this.#soon()
  }
}
