import {
  type Check,
  checkOptions,
  hasMethods,
  isBoolean,
  isCount,
  isDuration,
  isFunction,
  isObject,
  isSignal,
  isString,
  oneOf,
  orNull,
} from '../base/checks.ts'
import { ArgumentError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import type { Dialect, OpenContext } from '../dialects/dialect.ts'
import type { EventName } from '../observe/event-names.ts'
import type { Logger } from '../observe/logger.ts'
import type { Echo } from '../observe/pool-log.ts'
import type { PoolListeners } from './events.ts'
import type { LegacyListener } from './legacy-listeners.ts'
import { type QueueOptions, type QueueSettings, queueChecks, queueSettings } from './queue-options.ts'
import type { ConnectionRecord } from './record.ts'

/** What becomes of a transaction that is open when a connection comes home. */
export type ResetMode = 'rollback' | 'commit' | 'none'

/** Opens a connection in place of the dialect's own `connect`. */
export type Creator<C extends object> = (record: ConnectionRecord<C>, context: OpenContext) => MaybePromise<C>

/** A listener to register at construction: `[listener, event name]` (behaviour 13). */
export type EventOption<C extends object> = {
  [N in EventName]: readonly [listener: PoolListeners<C>[N], event: N]
}[EventName]

/** Options of every pool. Durations are milliseconds. */
export interface PoolOptions<C extends object = object> extends QueueOptions {
  /** How to open, reset, ping and close; e.g. `pg({ connectionString })`. One of `dialect` and `creator` is needed. */
  readonly dialect?: Dialect<C>
  /** Opens connections instead of the dialect; it gets the record (behaviours 2-6). */
  readonly creator?: Creator<C>
  /** Connections kept open. 0: no limit. Default 5. */
  readonly poolSize?: number
  /** Connections beyond `poolSize` while they are needed; closed on return. -1: no limit. Default 10. */
  readonly maxOverflow?: number
  /** How long a `connect()` may take in all: waiting, opening, pinging. 0: never wait for a place. null: for ever. Default 30,000. */
  readonly timeoutMs?: number | null
  /** How long one attempt to open may take before its place is given to others. Default `timeoutMs`, or 30,000. */
  readonly connectTimeoutMs?: number
  /**
   * `QueuePool` only: a `connect()` whose own attempt to open finds the database out of reach does not fail by that, but waits for an
   * attempt that succeeds, until its deadline. Default false.
   */
  readonly retryConnect?: boolean
  /** How long a reset on return may take before the connection is replaced instead. Default 5,000. */
  readonly resetTimeoutMs?: number
  /** How long a driver's close, and calls in flight at a `close()`, may take before they are cut off. Default 5,000. */
  readonly closeTimeoutMs?: number
  /** Lend the connection that came home last rather than first: lets a quiet pool's others age. Default false. */
  readonly useLifo?: boolean
  /** Replace connections older than this at their next checkout. -1: never. Default -1. */
  readonly recycleMs?: number
  /** Ping a connection before it is lent again. Default false. */
  readonly prePing?: boolean
  /**
   * How old the last sign of life may be that `prePing` takes for one, where a look at the socket costs no round trip (transport
   * `direct`): beyond it the server is asked. null: a look is always enough. Default null.
   */
  readonly pingIntervalMs?: number | null
  /** How threads reach their connections. 'remote': this thread runs the driver for all. Default: the best that both ends can do. */
  readonly transport?: 'remote'
  /**
   * When callers wait, all places are taken and nothing moves for 20 ms, ask the threads that hold connections, one at a time, for
   * a full garbage collection, which finds fairies that were forgotten. Each pauses its thread, 5 to 100 ms by the size of its heap;
   * a thread spends a quarter of its time on them at most, and down to 1 % while they find nothing. `QueuePool` only. Default false.
   */
  readonly collectOnStarvation?: boolean
  /**
   * Warn, in the log, once of each connection that has been out for longer than this, with its holder; and tell when it comes home after
   * all. Looks every tenth of that, 10 ms to a second. Default null: off.
   */
  readonly leakDetectionMs?: number | null
  /**
   * Take a connection away that has been out for longer than this: what it runs is cancelled, it is closed, and its fairy fails with
   * `StaleLeaseError` from then on. Not in pools that lend one connection to several. Default null: off.
   */
  readonly maxLeaseMs?: number | null
  /**
   * When all connections are out, and every thread that holds one waits for one more and has nothing else to do, fail the youngest of
   * those callers with `DeadlockError`: see `DeadlockWatch` for the rule. Remembers where each connection is checked out. `QueuePool`
   * only. Default false.
   */
  readonly detectDeadlocks?: boolean
  /** What to do with a transaction left open. Default 'rollback'. true: rollback; false or null: none. */
  readonly resetOnReturn?: ResetMode | boolean | null
  /** One checkout per thread: nested `connect()` calls share it. Default false. */
  readonly useThreadlocal?: boolean
  /** Remember where each connection was checked out, and warn when one is lost. About 3 µs a checkout. Default false. */
  readonly traceCheckouts?: boolean
  /** For an `AssertionPool`: remember where the connection was checked out, for the error of whoever wants a second. Default true. */
  readonly storeTraceback?: boolean
  /** Listeners to begin with, `[listener, event name]`. */
  readonly events?: readonly EventOption<NoInfer<C>>[]
  /** What to log besides failures: true, what changes; 'debug', every checkout as well, which none makes by itself then. Default false. */
  readonly echo?: Echo
  /** The pool's name in the log, after that of its class. */
  readonly loggingName?: string
  /** Where the log goes: an object with debug, info, warn, error; pino fits. Default `console`. */
  readonly logger?: Logger
  /** @deprecated Use `events`, or `pool.on`. Objects with any of connect, firstConnect, checkout, checkin. */
  readonly listeners?: readonly LegacyListener<NoInfer<C>>[]
}

/** Options of one checkout. */
export interface ConnectOptions {
  /** Instead of the pool's `timeoutMs`. */
  readonly timeoutMs?: number | null
  /** Gives up when it aborts, with its reason. */
  readonly signal?: AbortSignal
}

/** Options with every default in its place. */
export interface PoolSettings extends QueueSettings {
  readonly poolSize: number
  readonly maxOverflow: number
  readonly timeoutMs: number | null
  readonly connectTimeoutMs: number
  readonly retryConnect: boolean
  readonly resetTimeoutMs: number
  readonly closeTimeoutMs: number
  readonly useLifo: boolean
  readonly recycleMs: number
  readonly prePing: boolean
  readonly pingIntervalMs: number | null
  readonly transport: 'remote' | 'best'
  readonly collectOnStarvation: boolean
  readonly leakDetectionMs: number | null
  readonly maxLeaseMs: number | null
  readonly detectDeadlocks: boolean
  readonly resetOnReturn: ResetMode
  readonly useThreadlocal: boolean
  readonly traceCheckouts: boolean
  readonly storeTraceback: boolean
  readonly echo: Echo
  readonly loggingName: string | undefined
  readonly logger: Logger
}

const consoleLogger: Logger = {
  debug: message => console.debug(message),
  info: message => console.info(message),
  warn: (message, error) => console.warn(message, ...(error === undefined ? [] : [error])),
  error: (message, error) => console.error(message, ...(error === undefined ? [] : [error])),
}

const isLimit: Check = {
  expected: 'a number of milliseconds, more than 0',
  test: value => isDuration.test(value) && value !== 0,
}

const checks: Readonly<Record<keyof PoolOptions, Check>> = {
  ...queueChecks,
  dialect: hasMethods('a dialect', 'rollback', 'commit', 'close'),
  creator: isFunction,
  poolSize: isCount(0),
  maxOverflow: { ...isCount(-1), expected: 'a whole number, 0 or more, or -1 for no limit' },
  timeoutMs: orNull(isDuration),
  connectTimeoutMs: isDuration,
  retryConnect: isBoolean,
  resetTimeoutMs: isDuration,
  closeTimeoutMs: isDuration,
  useLifo: isBoolean,
  recycleMs: {
    expected: 'a number of milliseconds, or -1 for never',
    test: value => value === -1 || isDuration.test(value),
  },
  prePing: isBoolean,
  pingIntervalMs: orNull(isDuration),
  transport: oneOf('remote'),
  collectOnStarvation: isBoolean,
  leakDetectionMs: orNull(isLimit),
  maxLeaseMs: orNull(isLimit),
  detectDeadlocks: isBoolean,
  resetOnReturn: oneOf('rollback', 'commit', 'none', true, false, null),
  useThreadlocal: isBoolean,
  traceCheckouts: isBoolean,
  storeTraceback: isBoolean,
  echo: oneOf(true, false, 'debug'),
  loggingName: isString,
  listeners: { expected: 'an array of objects', test: value => Array.isArray(value) && value.every(isObject.test) },
  events: {
    expected: 'an array of [listener, event name]',
    test: value => Array.isArray(value) && value.every(Array.isArray),
  },
  logger: hasMethods('a logger', 'debug', 'info', 'warn', 'error'),
}

const resetModes = new Map<unknown, ResetMode>([
  [true, 'rollback'],
  [false, 'none'],
  [null, 'none'],
])

/** Checks a pool's options and fills in the defaults. The most connections a pool may have is 65,536. */
export function settingsOf<C extends object>(options: PoolOptions<C>): PoolSettings {
  checkOptions('pool options', options, checks)
  if (options.dialect === undefined && options.creator === undefined) {
    throw new ArgumentError(
      'pool options: give a dialect, e.g. pg({ connectionString }), or a creator that opens a connection.',
    )
  }
  if (options.creator === undefined && options.dialect?.connect === undefined) {
    throw new ArgumentError(
      `pool options: the dialect '${options.dialect?.name}' can't open connections, so a creator is needed.`,
    )
  }
  const { poolSize = 5, maxOverflow = 10, timeoutMs = 30_000, resetOnReturn = 'rollback' } = options
  if (poolSize + Math.max(0, maxOverflow) > 65_536) {
    throw new ArgumentError(`pool options: poolSize + maxOverflow is ${poolSize + maxOverflow}; 65,536 is the most.`)
  }
  return {
    ...queueSettings(options, poolSize, options.dialect?.ping !== undefined),
    poolSize,
    // No limit on the idle means no limit at all (behaviour 35).
    maxOverflow: poolSize === 0 ? -1 : maxOverflow,
    timeoutMs,
    connectTimeoutMs: options.connectTimeoutMs ?? (timeoutMs || 30_000),
    retryConnect: options.retryConnect ?? false,
    resetTimeoutMs: options.resetTimeoutMs ?? 5000,
    closeTimeoutMs: options.closeTimeoutMs ?? 5000,
    useLifo: options.useLifo ?? false,
    recycleMs: options.recycleMs ?? -1,
    prePing: options.prePing ?? false,
    pingIntervalMs: options.pingIntervalMs ?? null,
    transport: options.transport ?? 'best',
    collectOnStarvation: options.collectOnStarvation ?? false,
    leakDetectionMs: options.leakDetectionMs ?? null,
    maxLeaseMs: options.maxLeaseMs ?? null,
    detectDeadlocks: options.detectDeadlocks ?? false,
    resetOnReturn: resetModes.get(resetOnReturn) ?? (resetOnReturn as ResetMode),
    useThreadlocal: options.useThreadlocal ?? false,
    traceCheckouts: options.traceCheckouts ?? false,
    storeTraceback: options.storeTraceback ?? true,
    echo: options.echo ?? false,
    loggingName: options.loggingName,
    logger: options.logger ?? consoleLogger,
  }
}

/** Checks the options of one checkout. */
export function checkConnectOptions(options: ConnectOptions): void {
  checkOptions('connect options', options, { timeoutMs: orNull(isDuration), signal: isSignal })
}
