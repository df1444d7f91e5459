import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createPool } from '../../src/coordinator/create-pool.ts'
import { Session } from '../../src/coordinator/session.ts'
import { kind } from '../../src/protocol/messages.ts'
import { SlowPort } from '../support/slow-port.ts'
import { ToyConnection } from '../support/toy-driver.ts'

it('an offer that has just been accepted is not taken back, whatever its thread has not got round to say', async () => {
  const pool = createPool<ToyConnection>({
    creator: () => new ToyConnection(1),
    poolSize: 1,
    maxOverflow: 0,
    resetOnReturn: 'none',
  })
  const ports = SlowPort.pair()
  void new Session(pool as never, { session: 1, threadId: 101 }, ports[0].port)
  const own = await pool.connect()
  pool.slots.sessions.setWaiting(1, 1)
  ports[1].postMessage([[kind.ask, 1]])
  ports[0].deliver()
  await own.close()
  await turn()
  // Accepted: the thread is stopped right behind its compare-and-set.
  const lease = pool.slots.step(0, pool.slots.word(0), 'leased')
  pool.slots.sessions.setWaiting(1, 0)
  await pool.records.at(0)!.invalidate(undefined, { soft: true })
  const next = pool.connect()
  await turn()
  expect(pool.slots.word(0)).toBe(lease)
  next.catch(() => {})
})
