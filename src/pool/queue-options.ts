import { type Check, isCount, isDuration, orNull } from '../base/checks.ts'
import { ArgumentError } from '../base/errors.ts'
import type { QueuePolicy } from '../slots/full-queue.ts'

/** Options of a `QueuePool`, and of no other class: what it does by itself, and how many may wait. All are off by default. */
export interface QueueOptions {
  /**
   * Close connections older than this: at once where they are idle, else when they come home. Each goes up to a tenth earlier, so
   * that those that were opened together do not go together. null: never. Default null.
   */
  readonly maxLifetimeMs?: number | null
  /** Close connections that have been idle for so long, or up to a tenth longer, but for `minIdle`. null: never. Default null. */
  readonly idleTimeoutMs?: number | null
  /** Keep so many connections idle and ready, from the start, as long as there are no more than `poolSize` in all. Default 0. */
  readonly minIdle?: number
  /** Ping a connection that has been idle for so long, or up to a tenth longer, and again each time. null: never. Default null. */
  readonly keepaliveMs?: number | null
  /** How many callers may wait for a place at a time, in all threads together. null: no limit. Default null. */
  readonly maxWaiters?: number | null
}

export type QueueSettings = Required<QueueOptions>

const isPeriod: Check = {
  expected: 'a number of milliseconds above 0',
  test: value => isDuration.test(value) && value !== 0,
}

export const queueChecks: Readonly<Record<keyof QueueOptions, Check>> = {
  maxLifetimeMs: orNull(isPeriod),
  idleTimeoutMs: orNull(isPeriod),
  minIdle: isCount(0),
  keepaliveMs: orNull(isPeriod),
  maxWaiters: orNull(isCount(0)),
}

const forNobody = (name: string, why: string): ArgumentError => new ArgumentError(`pool options: ${name} ${why}`)

/** Fills in the defaults. What could never have an effect is refused: it is not what was meant. */
export function queueSettings(options: QueueOptions, poolSize: number, canPing: boolean): QueueSettings {
  const { maxLifetimeMs = null, idleTimeoutMs = null, minIdle = 0, keepaliveMs = null, maxWaiters = null } = options
  const lifetime = maxLifetimeMs ?? Number.POSITIVE_INFINITY
  if (poolSize > 0 && minIdle > poolSize) {
    throw forNobody('minIdle', `is ${minIdle}, but a poolSize of ${poolSize} keeps no more than that.`)
  }
  if (idleTimeoutMs !== null && idleTimeoutMs >= lifetime) {
    throw forNobody('idleTimeoutMs', `must be less than maxLifetimeMs (${maxLifetimeMs}), or it would close nothing.`)
  }
  if (idleTimeoutMs !== null && poolSize > 0 && minIdle === poolSize) {
    throw forNobody('idleTimeoutMs', 'closes nothing where minIdle is poolSize.')
  }
  if (keepaliveMs !== null && keepaliveMs >= lifetime) {
    throw forNobody('keepaliveMs', `must be less than maxLifetimeMs (${maxLifetimeMs}), or it would ping nothing.`)
  }
  if (keepaliveMs !== null && idleTimeoutMs !== null && minIdle === 0 && keepaliveMs >= idleTimeoutMs) {
    throw forNobody('keepaliveMs', `must be less than idleTimeoutMs (${idleTimeoutMs}), or it would ping nothing.`)
  }
  if (keepaliveMs !== null && !canPing) throw forNobody('keepaliveMs', 'needs a dialect that has a ping.')
  return { maxLifetimeMs, idleTimeoutMs, minIdle, keepaliveMs, maxWaiters }
}

/** For the classes that do none of this. */
export function refuseQueueOptions(options: QueueOptions, className: string): void {
  for (const name of Object.keys(queueChecks) as (keyof QueueOptions)[]) {
    const value = options[name]
    if ((value ?? null) !== null && !(name === 'minIdle' && value === 0)) {
      throw forNobody(name, `is for QueuePool: a ${className} does nothing of the kind.`)
    }
  }
}

/** The most connections a pool can have; null: no limit. */
export const limitOf = ({
  poolSize,
  maxOverflow,
}: {
  readonly poolSize: number
  readonly maxOverflow: number
}): number | null => (maxOverflow < 0 ? null : poolSize + maxOverflow)

export const queuePolicy = (settings: QueueSettings & Parameters<typeof limitOf>[0]): QueuePolicy => ({
  maxWaiters: settings.maxWaiters,
  limit: limitOf(settings),
})
