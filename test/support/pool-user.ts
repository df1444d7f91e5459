import type { MaybePromise } from '../../src/base/maybe-async.ts'
import type { ConnectOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import type { GatedConnection } from './gated-driver.ts'
import type { GatedFairy } from './gated-pool.ts'

/** The verbs that a pool has in every thread. */
export type Verbs = QueuePool<GatedConnection> | PoolClient<GatedConnection>

/** Runs where the thing is. In a worker only its source text travels: it sees its parameters and globals, nothing of the test. */
export type Do<T> = <R, A extends readonly unknown[]>(
  work: (it: T, ...args: A) => MaybePromise<R>,
  ...args: A
) => Promise<R>

/** A fairy, wherever it is. */
export interface Holding {
  /** Its connection's number, as the driver counted when it was lent. */
  readonly number: number
  readonly do: Do<GatedFairy>
  isValid(): Promise<boolean>
  close(): Promise<void>
  invalidate(error?: Error, options?: { readonly soft?: boolean }): Promise<void>
  detach(): Promise<void>
  /** Drops the only reference, and collects garbage until `done`. */
  lose(done: () => boolean): Promise<void>
}

/** A pool as somebody uses it: on the coordinator's thread, or from a real worker. */
export interface PoolUser {
  readonly do: Do<Verbs>
  connect(options?: ConnectOptions): Promise<Holding>
  uniqueConnection(options?: ConnectOptions): Promise<Holding>
  /** For the whole pool; reported by a holding, or by nobody in particular. */
  invalidate(holding?: Holding, error?: Error): Promise<void>
  threadId(): Promise<number>
  /** The process warnings of its thread since it was last asked, by code. */
  warnings(): Promise<string[]>
}

/** So many checkouts, one after another. */
export async function hold(user: PoolUser, count: number): Promise<Holding[]> {
  const held: Holding[] = []
  for (let i = 0; i < count; i++) held.push(await user.connect())
  return held
}
