import type { PoolOptions } from '../pool/options.ts'
import { QueuePool } from '../pool/queue-pool.ts'
import './share.ts'

/** A `QueuePool` on this thread, which becomes its coordinator. @throws {ArgumentError} an option is unknown, ill-typed or out of range. */
export function createPool<C extends object>(options: PoolOptions<C>): QueuePool<C> {
  return new QueuePool<C>(options)
}
