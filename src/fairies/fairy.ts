import { inspect } from 'node:util'
import type { MaybePromise } from '../base/maybe-async.ts'
import { warn } from '../observe/warnings.ts'
import type { InfoMap, Loan, ResetAgent } from './loan.ts'
import { unwatch, watch } from './lost-fairies.ts'
import { RowCursor } from './row-cursor.ts'
import type { ThreadLocal } from './thread-local.ts'

/** What a caller holds while a connection is checked out: the fairy's own members, and the driver's. */
export type Fairy<C extends object = object> = ConnectionFairy<C> & Omit<C, keyof ConnectionFairy<C>>

/** What there is nothing to wait for. */
const done: Promise<void> = Promise.resolve()

/** Names that tools probe on every object: they are never a driver's method. */
const probed = new Set<string | symbol>(['then', 'toJSON', 'asymmetricMatch', '$$typeof', 'nodeType', 'tagName'])

const transparent: ProxyHandler<ConnectionFairy> = {
  get(fairy, name) {
    if (name in fairy) {
      const member = Reflect.get(fairy, name, fairy)
      return typeof member === 'function' ? member.bind(fairy) : member
    }
    // Printing and comparing read symbols of all kinds; a closed fairy must bear that too.
    const isProbe = probed.has(name) || (typeof name === 'symbol' && !fairy.isValid)
    return isProbe ? undefined : loanOf(fairy).member(name, fairy)
  },
  // Writes stay on the fairy (behaviour 129).
  set: (fairy, name, value) => Reflect.set(fairy, name, value, fairy),
  has: (fairy, name) => name in fairy || (loanOf(fairy).connection !== undefined && name in loanOf(fairy).connection!),
}

let loanOf: <C extends object>(fairy: ConnectionFairy<C>) => Loan<C>
let depthOf: (fairy: ConnectionFairy, by: number) => number

/** The fairy of a checked-out connection. Transparent: what it does not have itself is the driver's member. Transitory: `close()` gives it back. */
export class ConnectionFairy<C extends object = object> implements AsyncDisposable {
  readonly #loan: Loan<C>
  readonly #home: ThreadLocal<C> | undefined
  readonly #proxy: Fairy<C>
  #depth = 1
  /** Held here and not by the loan: an agent refers to its fairy, and would keep it alive for ever. */
  #resetAgent: ResetAgent | undefined

  static {
    loanOf = fairy => fairy.#loan
    depthOf = (fairy, by) => {
      fairy.#depth += by
      return fairy.#depth
    }
  }

  private constructor(loan: Loan<C>, home: ThreadLocal<C> | undefined) {
    this.#loan = loan
    this.#home = home
    this.#proxy = new Proxy<ConnectionFairy>(this as unknown as ConnectionFairy, transparent) as Fairy<C>
  }

  /** A new fairy over a loan, given back when it is collected. `home` is the thread's slot when checkouts nest. */
  static over<C extends object>(loan: Loan<C>, home?: ThreadLocal<C>): Fairy<C> {
    const fairy = new ConnectionFairy(loan, home)
    watch(fairy, loan as unknown as Loan<object>)
    return fairy.#proxy
  }

  /** A fairy for listeners over a loan whose own fairy is gone or elsewhere (behaviour 143). Its loss means nothing. */
  static temporary<C extends object>(loan: Loan<C>): Fairy<C> {
    return new ConnectionFairy<C>(loan, undefined).#proxy
  }

  /** The fairy itself behind its proxy: what collection, weak references and pins must be about. */
  get self(): ConnectionFairy<C> {
    return this
  }

  /** The proxy around it: what users hold. */
  get proxy(): Fairy<C> {
    return this.#proxy
  }

  /** The invalidation clock's reading when this connection began to open. */
  get generation(): number {
    return this.#loan.generation
  }

  /** True until the connection has been given back, invalidated or lost. */
  get isValid(): boolean {
    return this.#loan.isValid
  }

  /** The driver's own object, where this thread has it; undefined elsewhere, and once closed. */
  get connection(): C | undefined {
    return this.#loan.connection
  }

  /** Facts about the connection, emptied when it is replaced. In a worker its methods return promises. */
  get info(): InfoMap | undefined {
    return this.#loan.info
  }

  /** Facts about the record, which outlive its connections. In a worker its methods return promises. */
  get recordInfo(): InfoMap | undefined {
    return this.#loan.recordInfo
  }

  /** Rolls back or commits in place of the dialect when this checkout ends (behaviours 179-183). Coordinator's thread only. */
  get resetAgent(): ResetAgent | undefined {
    return this.#resetAgent
  }

  set resetAgent(agent: ResetAgent | undefined) {
    this.#loan.resetAgent = agent
    this.#resetAgent = agent
  }

  /** Gives the connection back. In nested checkouts the outermost close does; further closes do nothing (behaviour 130). */
  close(): Promise<void> {
    if (--this.#depth !== 0) return done
    return this.#leave(() => this.#loan.end('closed'))
  }

  /**
   * This connection is broken: it is closed at once and replaced at the next checkout, whatever the depth (behaviours 133, 138).
   * With `soft` it stays usable until closed, and is replaced after that (behaviour 136).
   */
  async invalidate(error?: unknown, { soft = false }: { readonly soft?: boolean } = {}): Promise<void> {
    if (!this.isValid)
      return warn('FAIRYPOOL_DEAD_FAIRY', 'invalidate() was called on a connection that is already closed.')
    if (soft) return this.#loan.invalidate(error, true)
    await this.#leave(() => this.#loan.invalidate(error, false))
  }

  /** Takes the connection out of the pool: its place is free at once, and `close()` will close it for good (behaviours 222-227). */
  async detach(): Promise<void> {
    this.#home?.clear(this)
    if (this.isValid) await this.#loan.detach()
  }

  /** The rows of a query in batches, as the dialect understands the arguments; for pg `(text, values, { batchSize })`. */
  cursor<Row = unknown>(...args: readonly unknown[]): RowCursor<Row> {
    return new RowCursor<Row>(this, this.#loan.read(args))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  [inspect.custom](): string {
    // Node looks behind the proxy for this method, and calls it on the proxy.
    const loan = this.self.#loan
    return `ConnectionFairy { lease: ${loan.lease}, isValid: ${loan.isValid} }`
  }

  /** However it ends: the thread's slot must not lend this fairy again, and its finalizer has nothing left to do. */
  #leave(end: () => MaybePromise<void>): Promise<void> {
    this.#home?.clear(this)
    try {
      const ended = end()
      if (ended instanceof Promise) return ended.then(() => this.#left())
      this.#left()
      return done
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #left(): void {
    if (!this.#loan.isOut) unwatch(this.#loan as unknown as Loan<object>)
  }
}

/** One more nested checkout of a fairy that is out (behaviour 191); false when it has been closed meanwhile. */
export function nest(fairy: ConnectionFairy): boolean {
  if (!fairy.isValid || depthOf(fairy, 0) <= 0) return false
  depthOf(fairy, 1)
  return true
}
