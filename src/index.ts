export {
  ArgumentError,
  CoordinatorLostError,
  DisconnectionError,
  InvalidatePoolError,
  InvalidRequestError,
  MethodNotAllowedError,
  NotClonableError,
  PoolError,
  StaleLeaseError,
  TimeoutError,
  type TimeoutFacts,
  type TimeoutPhase,
} from './base/errors.ts'
export { createPool } from './coordinator/create-pool.ts'
export type { BatchReader, Dialect, OpenContext } from './dialects/dialect.ts'
export type { ConnectionFairy, Fairy } from './fairies/fairy.ts'
export type { InfoMap, LoanEnd, ResetAgent } from './fairies/loan.ts'
export type { RowCursor } from './fairies/row-cursor.ts'
export type { LeaseEnd, LeaseStart } from './observe/channels.ts'
export type { Logger } from './observe/logger.ts'
export type { PoolCounts, PoolStatus } from './observe/status.ts'
export type { EventName, ListenOptions, PoolListeners } from './pool/events.ts'
export type { ConnectOptions, Creator, EventOption, PoolOptions, ResetMode } from './pool/options.ts'
export type { Pool, ShareAddress, ShareOptions } from './pool/pool.ts'
export { QueuePool } from './pool/queue-pool.ts'
export type { ConnectionRecord, FinalizeCallback } from './pool/record.ts'
