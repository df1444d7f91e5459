import { describe, expect, it } from 'vitest'
import {
  AssertionPool,
  NullPool,
  type Pool,
  type PoolOptions,
  QueuePool,
  SingletonThreadPool,
  StaticPool,
} from '../../src/index.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { poolOf } from '../support/pool-places.ts'
import { StrictPool } from '../support/user-pools.ts'

type AnyPoolClass = new (options: PoolOptions<GatedConnection>) => Pool<GatedConnection>

describe('recreate()', () => {
  class OwnQueuePool<C extends object = object> extends QueuePool<C> {}

  it.each([QueuePool, NullPool, StaticPool, SingletonThreadPool, AssertionPool, StrictPool, OwnQueuePool] as const)(
    'makes another %o with the same options, creator, dialect and listeners, and leaves the old one alone (250)',
    async PoolClass => {
      const { pool, driver, logger } = poolOf(PoolClass as unknown as AnyPoolClass, {
        poolSize: 3,
        maxOverflow: 2,
        timeoutMs: 1234,
        useLifo: true,
        recycleMs: 60_000,
        prePing: true,
        resetOnReturn: 'commit',
        echo: true,
        loggingName: 'mine',
        useThreadlocal: PoolClass === SingletonThreadPool,
        storeTraceback: false,
      })
      pool.creator = driver.creator
      const calls: string[] = []
      pool.on('connect', () => calls.push('connect'))
      pool.on('firstConnect', () => calls.push('firstConnect'))
      pool.once('checkin', () => calls.push('checkin'))
      await pool.invalidate()
      const fairy = await pool.connect()
      calls.length = 0
      const again = pool.recreate()
      expect([again.constructor, again === pool]).toEqual([PoolClass, false])
      expect([again.creator, again.dialect, again.settings.logger]).toEqual([pool.creator, pool.dialect, logger])
      expect(again.settings).toEqual(pool.settings)
      expect([again.records.size, again.slots.isCondemned(1)]).toEqual([0, false])
      const theirs = await again.connect()
      expect(calls).toEqual(['firstConnect', 'connect'])
      expect([theirs.number, fairy.isValid]).toEqual([2, true])
      pool.on('connect', () => calls.push('later'))
      await theirs.close()
      expect(calls).toEqual(['firstConnect', 'connect', 'checkin'])
      await again.dispose()
      expect([fairy.isValid, driver.connections[0]!.state]).toEqual([true, 'open'])
      await fairy.close()
      expect(calls).toEqual(['firstConnect', 'connect', 'checkin', 'checkin'])
    },
  )
})
