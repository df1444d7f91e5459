export {
  ArgumentError,
  AssertionError,
  CoordinatorLostError,
  DeadlockError,
  DisconnectionError,
  InvalidatePoolError,
  InvalidRequestError,
  MethodNotAllowedError,
  NotClonableError,
  PoolError,
  QueueFullError,
  StaleLeaseError,
  TimeoutError,
  type TimeoutFacts,
  type TimeoutPhase,
} from './base/errors.ts'
export type { Holder, HolderUse } from './base/holder.ts'
export type { ConnectionFairy, Fairy } from './fairies/fairy.ts'
export type { InfoMap } from './fairies/loan.ts'
export type { QueryOptions } from './fairies/query-options.ts'
export type { RowCursor } from './fairies/row-cursor.ts'
export type { PoolCounts, PoolState, PoolStatus } from './observe/status.ts'
export { attach, type ShareAddress } from './worker/attach.ts'
export type { PoolEvent, PoolEventListener } from './worker/listeners.ts'
export type { ConnectOptions, PoolClient } from './worker/pool-client.ts'
export type { DisposeOptions } from './worker/remote-controls.ts'
