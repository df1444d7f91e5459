import { threadId } from 'node:worker_threads'
import { within } from '../base/deadlines.ts'
import { TimeoutError } from '../base/errors.ts'
import { ignore, type MaybePromise } from '../base/maybe-async.ts'
import type { BatchReader } from '../dialects/dialect.ts'
import type { Lane } from '../dialects/lane.ts'
import { Calls } from '../fairies/calls.ts'
import { warnInFlight } from '../observe/checkout-warnings.ts'
import type { CheckoutTrace } from '../observe/trace.ts'
import type { RemoteEnd } from '../protocol/messages.ts'
import { slotFlag } from '../slots/layout.ts'
import { slotOfLease } from '../slots/state.ts'
import { checkMethod } from '../transports/allowed.ts'
import { Lease } from './lease.ts'
import { stop } from './stopping.ts'
import type { Wire } from './wire.ts'

/** A lease of a connection whose driver this thread runs itself (transport `direct`): its members are the real driver's. */
export class DirectLease<C extends object> extends Lease<C> {
  readonly #lane: Lane<C>
  /** Its cursors; made at the first. */
  #calls: Calls | undefined

  constructor(wire: Wire, lease: number, trace: CheckoutTrace | undefined, lane: Lane<C>) {
    super(wire, lease, trace)
    this.#lane = lane
  }

  override get isValid(): boolean {
    return this.isOut && !this.#lane.isBroken
  }

  /** Whoever has the driver itself may do anything with it: the thread stays alive for it until the lease ends. */
  override get connection(): C | undefined {
    if (!this.isValid) return undefined
    this.#lane.hold()
    return this.#lane.connection
  }

  override member(name: string | symbol, fairy: object): unknown {
    if (!this.isValid) return this.#refusal(name)
    const { connection } = this.#lane
    const member: unknown = Reflect.get(connection, name, connection)
    if (typeof member !== 'function') return member
    return (...args: unknown[]): unknown => this.#call(name, member as (...args: unknown[]) => unknown, args, fairy)
  }

  override async read(args: readonly unknown[]): Promise<BatchReader> {
    this.checkAlive()
    const lane = this.#lane
    this.statement = lane.textOf('cursor', args)
    const reader = await lane.cursor(args)
    // The lease may have ended while the cursor was being opened; then nobody would close it.
    if (!this.isValid) await reader.close()
    this.checkAlive()
    this.#calls ??= new Calls({ failed: ignore, quiet: ignore })
    return this.#calls.add({
      read: () => {
        lane.begin(this)
        return reader.read()
      },
      close: () => reader.close(),
    })
  }

  override end(reason: RemoteEnd): MaybePromise<void> {
    if (this.state === 'ended') return
    const wasLent = this.state === 'lent'
    if (reason === 'collected') this.forgotten()
    this.state = 'ended'
    if (this.wire.lost) return this.#close()
    const lane = this.#lane
    // Never read from in this lease: then it is as it came.
    if (!lane.isAttended) return this.#goHome(reason, wasLent, undefined)
    if (lane.isAtRest && this.#calls?.isQuiet !== false) return this.#goHome(reason, wasLent, lane.inTransaction)
    return this.#quieten(wasLent).then(() => this.#goHome(reason, wasLent, lane.inTransaction))
  }

  override async invalidate(error: unknown, soft: boolean): Promise<void> {
    await super.invalidate(error, soft)
    if (!soft) this.#close()
  }

  override async detach(): Promise<void> {
    if (this.state === 'lent') this.wire.lanes?.release(this.#lane)
    await super.detach()
  }

  /** An open transaction is ended by the coordinator, or stays where nothing is reset. */
  #goHome(reason: RemoteEnd, wasLent: boolean, inTransaction: boolean | undefined): MaybePromise<void> {
    const { lessee, welcome, lost } = this.wire
    const { isAtRest, isBroken } = this.#lane
    const isClean = !isBroken && (inTransaction !== true || !welcome.resets)
    if (wasLent && isClean && isAtRest && lost === undefined && lessee.giveBack(this.lease, this.#lane)) return
    // Nobody could make sense of what is still to come.
    if (!wasLent && !isAtRest) return super.invalidate(undefined, false).finally(() => this.#close())
    this.#lane.rest()
    // Nor may anybody wait for it: the driver tells whoever does.
    if (lost || !isAtRest) this.#close()
    if (lost) return
    // What has broken it may have broken all of its age: whoever has closed it must not claim the next of them before that is known.
    const ended = this.endByMessage(reason, wasLent && !isBroken, inTransaction)
    if (wasLent) return ended
    return ended instanceof Promise ? ended.finally(() => this.#close()) : this.#close()
  }

  #close(): void {
    this.wire.lanes?.forget(this.#lane)
    this.#lane.close()
  }

  /** What is under way may finish within `closeTimeoutMs`; what is running then is stopped at the server, and the connection replaced. */
  async #quieten(wasLent: boolean): Promise<void> {
    const { closeTimeoutMs } = this.wire.welcome
    const late = (): TimeoutError =>
      new TimeoutError(`A call was still in flight ${closeTimeoutMs} ms after close().`, {
        phase: 'close',
        timeoutMs: closeTimeoutMs,
      })
    const lane = this.#lane
    // What was under way on a lane that has broken has ended with it.
    if (!lane.isBroken && this.#calls?.isQuiet !== false) warnInFlight(this.trace, threadId, closeTimeoutMs)
    try {
      await this.#calls?.quieten(closeTimeoutMs, late)
      await within(lane.settled(), closeTimeoutMs, late)
    } catch {
      if (wasLent && this.isCurrent) this.wire.table.mark(slotOfLease(this.lease), slotFlag.lost)
      await stop(lane, closeTimeoutMs, late).catch(ignore)
    }
  }

  #call(name: string | symbol, method: (...args: unknown[]) => unknown, args: unknown[], fairy: object): unknown {
    try {
      this.checkAlive()
      if (typeof name === 'string') checkMethod(name, undefined)
    } catch (error) {
      return Promise.reject(error)
    }
    const lane = this.#lane
    lane.begin(fairy)
    this.statement = lane.textOf(name, args) ?? this.statement
    try {
      const result = Reflect.apply(method, lane.connection, args)
      // A driver that returns itself for chaining must not hand out what is behind the fairy.
      return result === lane.connection ? (fairy as { readonly proxy?: unknown }).proxy : result
    } finally {
      if (lane.isAtRest) lane.letGo()
    }
  }

  /** As in every worker: a member of a closed fairy is a method that rejects. */
  #refusal(name: string | symbol): unknown {
    if (typeof name === 'symbol') return undefined
    const error = this.gone
    return () => Promise.reject(error)
  }
}
