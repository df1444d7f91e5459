import type { MaybePromise } from '../base/maybe-async.ts'
import type { BatchReader } from '../dialects/dialect.ts'
import { kind, type RemoteEnd } from '../protocol/messages.ts'
import { checkMethod } from '../transports/allowed.ts'
import { Lease } from './lease.ts'

/** A lease of a connection whose driver the coordinator runs (transport `remote`). */
export class RemoteLease<C extends object> extends Lease<C> {
  override get connection(): C | undefined {
    return undefined
  }

  /** Any name is a method here: what the driver has is known on the other side only. */
  override member(name: string | symbol, fairy: object): unknown {
    if (typeof name === 'symbol') return undefined
    return (...args: unknown[]): Promise<unknown> => this.#call(name, args, fairy)
  }

  override async read(args: readonly unknown[]): Promise<BatchReader> {
    const { caller } = this.wire
    this.checkAlive()
    const target = (await caller.ask(id => [kind.cursor, id, this.lease, args], undefined, this)) as number
    return {
      read: async () => (await caller.ask(id => [kind.read, id, this.lease, target, 'read'])) as readonly unknown[],
      // After the lease there is nothing left to close: its end has closed it.
      close: async () => {
        if (this.isValid) await caller.ask(id => [kind.read, id, this.lease, target, 'close'])
      },
    }
  }

  /** By compare-and-set alone where the connection is known to be clean; or by one message. */
  override end(reason: RemoteEnd): MaybePromise<void> {
    if (this.state === 'ended') return
    const wasLent = this.state === 'lent'
    if (reason === 'collected') this.forgotten()
    this.state = 'ended'
    if (this.wire.lost) return
    // What is still in flight may open a transaction: then the coordinator must see how it ends.
    if (wasLent && this.inFlight === 0 && this.wire.lessee.giveBack(this.lease)) return
    return this.endByMessage(reason, wasLent)
  }

  #call(method: string, args: readonly unknown[], fairy: object): Promise<unknown> {
    try {
      this.checkAlive()
      checkMethod(method, this.wire.welcome.methods)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.wire.caller.call(this.lease, 0, method, args, fairy, this)
  }
}
