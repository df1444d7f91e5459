import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { outOf } from '../../src/slots/out.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { type HammerOrders, tally, tallyWords } from '../workers/slot-hammer.ts'

const threads = 4
const claims = 50_000

it('four threads that claim and release on one table never hold a slot together, and leave every slot idle', async () => {
  const slots = 2
  const table = SlotTable.create(slots)
  for (let slot = 0; slot < slots; slot++) {
    table.step(slot, table.step(slot, table.word(slot), 'opening', 0), 'idle')
  }
  const side = new SharedArrayBuffer((slots + tallyWords) * Int32Array.BYTES_PER_ELEMENT)
  const buffer = table.share()
  const workers = Array.from({ length: threads }, (_, i) => {
    const orders: HammerOrders = { table: buffer, side, session: i + 1, claims }
    return new Worker(new URL('../workers/slot-hammer.js', import.meta.url), { workerData: orders })
  })
  const codes = await Promise.all(workers.map(async worker => (await once(worker, 'exit'))[0] as number))
  expect(codes).toEqual([0, 0, 0, 0])
  const counts = new Int32Array(side).subarray(slots)
  expect(counts[tally.claims]).toBe(threads * claims)
  expect(counts[tally.sharedHolds]).toBe(0)
  expect(counts[tally.failedReleases]).toBe(0)
  expect(counts[tally.doubleReleases]).toBe(0)
  expect(table.counts()).toMatchObject({ idle: slots, leased: 0 })
  expect(outOf(table)).toEqual([])
})
