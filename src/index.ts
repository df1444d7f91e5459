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
export { createPool } from './coordinator/create-pool.ts'
export type { BatchReader, Dialect, OpenContext, Outcome, Pipeline } from './dialects/dialect.ts'
export type { ConnectionFairy, Fairy } from './fairies/fairy.ts'
export type { InfoMap, LoanEnd, ResetAgent } from './fairies/loan.ts'
export type { QueryOptions } from './fairies/query-options.ts'
export type { RowCursor } from './fairies/row-cursor.ts'
export type { LeaseEnd, LeaseStart } from './observe/channels.ts'
export type { EventName } from './observe/event-names.ts'
export type { Logger } from './observe/logger.ts'
export { type PoolCounts, type PoolState, PoolStatus } from './observe/status.ts'
export { AssertionPool } from './pool/assertion-pool.ts'
export type { DisposeOptions } from './pool/draining.ts'
export type { ListenOptions, PoolListeners } from './pool/events.ts'
export type { FinalizeCallback } from './pool/finalize-callback.ts'
export { NullPool } from './pool/null-pool.ts'
export type { ConnectOptions, Creator, EventOption, PoolOptions, ResetMode } from './pool/options.ts'
export { Pool } from './pool/pool.ts'
export { QueuePool } from './pool/queue-pool.ts'
export type { ConnectionRecord } from './pool/record.ts'
export type { CheckoutRequest } from './pool/request.ts'
export type { ShareAddress, ShareOptions } from './pool/sharing.ts'
export { SingletonThreadPool } from './pool/singleton-thread-pool.ts'
export { StaticPool } from './pool/static-pool.ts'
