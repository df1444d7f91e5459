import { describe, expect, it } from 'vitest'
import type { Dialect } from '../../src/dialects/dialect.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { countsOf } from '../support/observe.ts'

fakeTime()

const closeTimeoutMs = 300
const maxLifetimeMs = 10_000

type Close = NonNullable<Dialect<GatedConnection>['close']>

/** How a driver can fail to end a connection. */
const closes: readonly (readonly [string, Close])[] = [
  [
    'throws',
    () => {
      throw new Error('no')
    },
  ],
  ['rejects', () => Promise.reject(new Error('no'))],
  ['never settles', () => new Promise(() => {})],
]

type Fairy = Awaited<ReturnType<QueuePool<GatedConnection>['connect']>>
type End = (held: Fairy, pool: QueuePool<GatedConnection>) => Promise<unknown>

/** What has the connection closed that a caller holds; and how long he has had it. */
const ends: readonly (readonly [string, End, heldMs: number])[] = [
  ['an invalidation', held => held.invalidate(), 0],
  ['dispose() with force', (_, pool) => pool.dispose({ force: true }), 0],
  ['its lifetime', held => held.close(), maxLifetimeMs],
  [
    'dispose()',
    async (held, pool) => {
      await pool.dispose()
      await held.close()
    },
    0,
  ],
  [
    'a soft invalidation',
    async held => {
      await held.invalidate(undefined, { soft: true })
      await held.close()
    },
    0,
  ],
]

describe.each(ends)('fault 12: the place of a connection that is to be closed by %s', (_what, end, heldMs) => {
  it.each(closes)('is free in time, though the driver %s', async (_how, close) => {
    const { pool } = gatedPool(driver => ({
      dialect: driver.dialect({ close, terminate: close as (connection: GatedConnection) => void }),
      poolSize: 1,
      maxOverflow: 0,
      maxLifetimeMs,
      closeTimeoutMs,
    }))
    const held = await pool.connect()
    await pass(heldMs)
    void end(held, pool)
    await pass(0)
    const waiting = pool.connect()
    // Politely first, then abruptly.
    await pass(2 * closeTimeoutMs)
    expect([(await waiting).number, countsOf(pool)]).toEqual([2, [1, 0, 0, 1]])
  })
})

it('fault 12: a close listener that never settles is bounded as well, and logged', async () => {
  const { pool, driver, logger } = gatedPool({ poolSize: 1, maxOverflow: 0, closeTimeoutMs })
  pool.on('close', () => new Promise(() => {}))
  const held = await pool.connect()
  void held.invalidate()
  const waiting = pool.connect()
  await pass(closeTimeoutMs)
  expect([(await waiting).number, driver.connections[0]!.state]).toEqual([2, 'closed'])
  expect(logger.lines).toEqual(['error: fairypool.QueuePool: a close listener failed.'])
})

it('fault 12: closing a connection that was detached is bounded, for whoever closes it', async () => {
  const { pool, driver } = gatedPool({ poolSize: 1, closeTimeoutMs })
  const held = await pool.connect()
  await held.detach()
  driver.set('close', 'never')
  const closed = held.close()
  await pass(2 * closeTimeoutMs)
  await closed
  expect((await pool.connect()).number).toBe(2)
})
