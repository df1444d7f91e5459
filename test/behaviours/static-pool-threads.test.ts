import { describe, expect, it } from 'vitest'
import { StaticPool } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { heldBy } from '../support/held-by.ts'
import {
  type GatedOptions,
  type GatedPoolOf,
  gone,
  guestInNewWorker,
  leaveWhileOpening,
  poolOf,
  slotsInUse,
  waiting,
} from '../support/pool-places.ts'

const staticPool = (options?: GatedOptions): GatedPoolOf<StaticPool<GatedConnection>> =>
  poolOf(StaticPool<GatedConnection>, options)

/** The record's own slot, while it has a connection. */
const atRest = 1

describe('a StaticPool of several threads', () => {
  it('counts the leases of each thread, and not its record', async () => {
    const { pool } = staticPool()
    const guest = await guestInNewWorker(pool)
    await guest.connect()
    await guest.connect()
    const fairy = await pool.connect()
    expect(heldBy(pool)).toEqual({ 0: 1, [guest.threadId]: 2 })
    await fairy.close()
    expect(heldBy(pool)).toEqual({ [guest.threadId]: 2 })
  })

  it('lends one connection to all threads (69)', async () => {
    const { pool, driver } = staticPool()
    driver.next('open', 'slow')
    const guests = await Promise.all([guestInNewWorker(pool), guestInNewWorker(pool), guestInNewWorker(pool)])
    const asked = guests.map(guest => guest.connect())
    await driver.release('open')
    const stays = await Promise.all(asked)
    const fairy = await pool.connect()
    expect([...stays.map(({ number }) => number), fairy.number, driver.opened]).toEqual([1, 1, 1, 1, 1])
    await Promise.all([fairy.close(), ...stays.map(stay => stay.close())])
    expect([driver.open, slotsInUse(pool)]).toEqual([1, atRest])
  })

  it('gives the open of a thread that has died to those who wait for it', async () => {
    const { pool, driver } = staticPool()
    driver.next('open', 'slow')
    const guest = await guestInNewWorker(pool)
    guest.connect().catch(() => {})
    await driver.reached('open')
    const others = [pool.connect(), pool.connect()]
    await waiting(pool, 2)
    await guest.worker.terminate()
    await gone(pool, guest)
    await driver.release('open')
    const [a, b] = await Promise.all(others)
    expect([a!.number, b!.number, driver.opened, slotsInUse(pool)]).toEqual([1, 1, 1, atRest + 2])
  })

  it('closes the connection of a thread that has died holding it; the others’ closes are harmless', async () => {
    const { pool, driver, logger } = staticPool()
    const guest = await guestInNewWorker(pool)
    const fairy = await pool.connect()
    await guest.connect()
    await guest.connect()
    driver.listen(pool, 'invalidate', 'close')
    driver.take()
    await guest.worker.terminate()
    await eventually(() => pool.status().checkedout).toBe(1)
    await eventually(() => driver.open).toBe(0)
    expect(driver.take()).toMatchObject(
      [/^on invalidate 1/, 'on close 1', 'close 1'].map(line => expect.stringMatching(line)),
    )
    const next = await pool.connect()
    await fairy.close()
    expect([next.isValid, next.number, slotsInUse(pool), logger.lines]).toEqual([true, 2, atRest + 1, []])
  })

  it('takes back what is granted to a thread whose callers have left', async () => {
    const { pool, driver } = staticPool()
    const guest = await guestInNewWorker(pool)
    const left = await leaveWhileOpening(guest, driver)
    expect(left).toMatchObject({ class: 'RangeError', message: 'enough' })
    await driver.release('open')
    await eventually(() => [pool.status().checkedout, slotsInUse(pool)]).toEqual([0, atRest])
    expect([(await guest.connect()).number, driver.opened]).toEqual([1, 1])
  })

  it('leaves nothing behind of 100 threads, however they leave', async () => {
    const { pool, driver } = staticPool()
    const leave = async (which: number): Promise<void> => {
      const guest = await guestInNewWorker(pool)
      const asked = [guest.connect(), guest.connect()]
      const [a, b] = which === 4 ? [] : await Promise.all(asked)
      if (which === 0) await Promise.all([a!.close(), b!.close()])
      if (which === 1) await Promise.all([a!.invalidate(), b!.close()])
      if (which === 2) await Promise.all([a!.detach(), b!.invalidate()])
      if (which === 3) await a!.close()
      for (const each of asked) each.catch(() => {})
      await guest.worker.terminate()
      await gone(pool, guest)
    }
    for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 10 }, (_, i) => leave(i % 5)))
    await eventually(() => pool.status().checkedout).toBe(0)
    await (await pool.connect()).close()
    expect([driver.open, pool.records.size, slotsInUse(pool)]).toEqual([1, 1, atRest])
  }, 240_000)
})
