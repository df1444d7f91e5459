import { ArgumentError, InvalidRequestError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import type { Fairy } from '../fairies/fairy.ts'
import { type EventName, eventNames } from '../observe/event-names.ts'
import type { ConnectionRecord } from './record.ts'

/** The pool's events and what their listeners get (behaviour 256). Listeners may be async; they are awaited, one after another. */
export interface PoolListeners<C extends object> {
  /** The pool's first connection, before `connect`. Others that open meanwhile wait for it (behaviour 258). */
  firstConnect(connection: C, record: ConnectionRecord<C>): MaybePromise<unknown>
  /** A connection has been opened. */
  connect(connection: C, record: ConnectionRecord<C>): MaybePromise<unknown>
  /** A connection is about to be lent. Throw a `DisconnectionError` to have it replaced. */
  checkout(connection: C, record: ConnectionRecord<C>, fairy: Fairy<C>): MaybePromise<unknown>
  /** A connection has come home; undefined when it was invalidated. */
  checkin(connection: C | undefined, record: ConnectionRecord<C>): MaybePromise<unknown>
  /** A connection is about to be reset, whatever the mode. `record` is undefined for a detached one. */
  reset(fairy: Fairy<C>, record: ConnectionRecord<C> | undefined): MaybePromise<unknown>
  /** A connection is broken and will be closed. */
  invalidate(connection: C, record: ConnectionRecord<C>, error: unknown): MaybePromise<unknown>
  /** A connection will be replaced after its present use. */
  softInvalidate(connection: C, record: ConnectionRecord<C>, error: unknown): MaybePromise<unknown>
  /** The pool is about to close a connection of its own. */
  close(connection: C, record: ConnectionRecord<C>): MaybePromise<unknown>
  /** A connection has left the pool. */
  detach(connection: C, record: ConnectionRecord<C>): MaybePromise<unknown>
  /** A detached connection is about to be closed. */
  closeDetached(connection: C): MaybePromise<unknown>
}

const names: ReadonlySet<string> = new Set(eventNames)

type AnyListener = (...args: never[]) => MaybePromise<unknown>

interface Entry {
  readonly listener: AnyListener
  readonly once: boolean
  /** A recreated pool does not get it. */
  readonly stays?: boolean
}

/** How a listener is to be registered. */
export interface ListenOptions {
  /** Before the other listeners rather than after them. */
  readonly insert?: boolean
}

/** A pool's listeners. Adding or removing one takes effect at once, for existing connections too (behaviour 263). */
export class PoolEvents<C extends object> {
  readonly #entries = new Map<EventName, readonly Entry[]>()
  readonly #onChange: () => void

  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Registers a listener; the same function for the same event counts once (behaviour 262). */
  on<N extends EventName>(event: N, listener: PoolListeners<C>[N], options?: ListenOptions): void {
    this.#add(event, listener as AnyListener, false, options)
  }

  /** As `on`, removed at its first call, even if that throws (behaviour 262). */
  once<N extends EventName>(event: N, listener: PoolListeners<C>[N], options?: ListenOptions): void {
    this.#add(event, listener as AnyListener, true, options)
  }

  /** As `on`, for a thread that has attached to this very pool: a recreated one does not get it. */
  observe<N extends EventName>(event: N, listener: PoolListeners<C>[N]): void {
    this.#set(event, [
      ...(this.#entries.get(event) ?? []),
      { listener: listener as AnyListener, once: false, stays: true },
    ])
  }

  off<N extends EventName>(event: N, listener: PoolListeners<C>[N]): void {
    const present = this.#entries.get(event) ?? []
    this.#set(
      event,
      present.filter(entry => entry.listener !== listener),
    )
  }

  has(event: EventName): boolean {
    return this.#entries.has(event)
  }

  /** Calls the listeners in their order, each after the one before has settled; the first failure stops them (behaviour 260). */
  async emit<N extends EventName>(event: N, ...args: Parameters<PoolListeners<C>[N]>): Promise<void> {
    for (const { listener, once } of this.#entries.get(event) ?? []) {
      if (once) this.off(event, listener as PoolListeners<C>[N])
      await (listener as (...args: unknown[]) => unknown)(...args)
    }
  }

  /** A snapshot for a recreated pool (behaviour 251). */
  copyTo(other: PoolEvents<C>): void {
    for (const [event, entries] of this.#entries) {
      other.#set(
        event,
        entries.filter(({ stays }) => !stays),
      )
    }
  }

  #add(event: EventName, listener: AnyListener, once: boolean, { insert = false }: ListenOptions = {}): void {
    if (!names.has(event)) {
      throw new InvalidRequestError(`A pool has no event '${String(event)}'. It has ${[...names].join(', ')}.`)
    }
    if (typeof listener !== 'function') throw new ArgumentError(`The listener for '${event}' must be a function.`)
    const present = this.#entries.get(event) ?? []
    if (present.some(entry => entry.listener === listener)) return
    const entry = { listener, once }
    this.#set(event, insert ? [entry, ...present] : [...present, entry])
  }

  #set(event: EventName, entries: readonly Entry[]): void {
    if (entries.length === 0) this.#entries.delete(event)
    else this.#entries.set(event, entries)
    this.#onChange()
  }
}
