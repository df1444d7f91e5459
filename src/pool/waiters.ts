import { ignore } from '../base/maybe-async.ts'
import { isAfter } from '../slots/session-rows.ts'
import type { SlotTable } from '../slots/slot-table.ts'
import type { ConnectionRecord } from './record.ts'

/** One request that waits for a connection. */
export interface Waiter<C extends object> {
  readonly session: number
  /** Called once, synchronously, with a record claimed for this waiter. */
  readonly grant: (record: ConnectionRecord<C>) => void
  /** Where deadlocks are looked for: when its caller came, monotonic milliseconds, and how he fails. It must delete itself then. */
  readonly caller?: { readonly at: number; readonly fail: (error: Error) => void } | undefined
  /** Its thread has no caller for it any more. It must delete itself. */
  readonly leave: () => void
}

/** When a request came. */
export interface Turn {
  /** Among those of this thread: nobody else can write it. */
  readonly order: number
  /** Among the callers of all threads: see `SessionRows.since()`. */
  readonly number: number
}

interface Entry<C extends object> {
  readonly waiter: Waiter<C>
  readonly turn: Turn
}

/**
 * The requests that wait at the coordinator: of its own callers one each, of another thread as many as that thread asks for
 * (its callers stand in its own queue, and a request stands while that is empty for a moment). The thread that holds fewest comes
 * first, and among equals who came first; within a thread it is first come, first served. Every change is said in the table, where
 * threads look before they claim.
 */
export class Waiters<C extends object> {
  readonly #slots: () => SlotTable
  readonly #bySession = new Map<number, Map<Waiter<C>, Entry<C>>>()
  readonly #onChange: (isAnybody: boolean) => void
  #arrivals = 0
  /** The highest order that was ever added: who comes after it stands last, without a look at the others. */
  #newest = -1
  #size = 0

  /** `onChange` is told when somebody begins to wait and when nobody does any more. */
  constructor(slots: () => SlotTable, onChange: (isAnybody: boolean) => void = ignore) {
    this.#slots = slots
    this.#onChange = onChange
  }

  /** The turn of one who has come just now. */
  arrive(): Turn {
    return { order: this.#arrivals++, number: this.#slots().sessions.arrive() }
  }

  /** One who has waited before stands where he stood, by his turn. */
  add(waiter: Waiter<C>, turn: Turn = this.arrive()): void {
    const { session } = waiter
    const queue = this.#bySession.get(session) ?? new Map<Waiter<C>, Entry<C>>()
    this.#bySession.set(session, queue)
    const later = turn.order > this.#newest ? [] : [...queue.values()].filter(entry => entry.turn.order > turn.order)
    this.#newest = Math.max(this.#newest, turn.order)
    for (const entry of later) queue.delete(entry.waiter)
    for (const entry of [{ waiter, turn }, ...later]) queue.set(entry.waiter, entry)
    this.#changed(session, queue, 1)
  }

  has(waiter: Waiter<C>): boolean {
    return this.#bySession.get(waiter.session)?.has(waiter) === true
  }

  delete(waiter: Waiter<C>): void {
    const queue = this.#bySession.get(waiter.session)
    if (!queue?.delete(waiter)) return
    if (queue.size === 0) this.#bySession.delete(waiter.session)
    this.#changed(waiter.session, queue, -1)
  }

  /** Whose turn it is; undefined when nobody waits. Where nobody waits in a thread, its requests are passed over. */
  next(): Waiter<C> | undefined {
    if (this.#size === 0) return undefined
    this.#dismiss('of threads that wait')
    const { sessions } = this.#slots()
    let next: Entry<C> | undefined
    let since = 0
    let fewest = Number.POSITIVE_INFINITY
    for (const [session, queue] of this.#bySession) {
      if (session !== 0 && sessions.waiting(session) <= 0) continue
      const [entry] = queue.values()
      const held = this.#bySession.size === 1 ? 0 : this.#slots().heldBy(session)
      if (entry === undefined || held > fewest) continue
      const came = this.#cameOf(session, entry)
      if (held === fewest && isAfter(came, since)) continue
      next = entry
      since = came
      fewest = held
    }
    return next?.waiter
  }

  /** When the caller came who would be served. A thread's request may stand for one who has come long after it, or one of several for a later one. */
  #cameOf(session: number, { turn: { number } }: Entry<C>): number {
    if (session === 0) return number
    const since = this.#slots().sessions.since(session)
    return isAfter(since, number) ? since : number
  }

  /** Of this thread's own callers, who came last. */
  get youngestHere(): Waiter<C> | undefined {
    return [...(this.#bySession.get(0)?.keys() ?? [])].at(-1)
  }

  /** Callers that wait, in all threads. Those for whom a connection is being opened do not; one that is opened for nobody spares none. */
  get count(): number {
    const { sessions } = this.#slots()
    let count = this.#bySession.get(0)?.size ?? 0
    for (let session = 1, { last } = sessions; session <= last; session++) {
      if (sessions.isOpen(session)) count += Math.max(0, sessions.waiting(session) - sessions.served(session))
    }
    return count
  }

  /** Requests of threads in which nobody waits leave. */
  dismissNeedless(): void {
    this.#dismiss('of all threads')
  }

  /** A thread's callers may have been served by each other: then its requests are more than its callers, and what is too much leaves. */
  #dismiss(which: 'of threads that wait' | 'of all threads'): void {
    const { sessions } = this.#slots()
    for (const [session, queue] of this.#bySession) {
      const waiting = sessions.waiting(session)
      const isSpared = session === 0 || (waiting <= 0 && which === 'of threads that wait')
      const needless = isSpared ? 0 : queue.size - waiting
      if (needless <= 0) continue
      for (const waiter of [...queue.keys()].slice(0, needless)) waiter.leave()
    }
  }

  #changed(session: number, queue: ReadonlyMap<Waiter<C>, Entry<C>>, by: 1 | -1): void {
    const slots = this.#slots()
    const { sessions } = slots
    this.#size += by
    slots.waiters = this.#size
    if (session === 0) {
      const [first] = queue.values()
      if (first) sessions.setSince(0, first.turn.number)
      sessions.setWaiting(0, queue.size)
    }
    sessions.addAsks(session, by)
    if (this.#size === Math.max(0, by)) this.#onChange(by === 1)
  }
}
