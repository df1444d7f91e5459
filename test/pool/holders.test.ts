import { expect, it } from 'vitest'
import { fakeTime, pass } from '../support/fake-time.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { settle } from '../support/observe.ts'

fakeTime()

const textOf = (method: string | symbol): string => `text of ${String(method)}`

it('holders() knows what this thread holds, since when, and where it was checked out', async () => {
  const { pool } = gatedPool(driver => ({ dialect: driver.dialect({ textOf }), traceCheckouts: true }))
  const first = await pool.connect()
  await pass(50)
  const second = await pool.connect()
  await second.query('select 1')
  await pass(100)
  const holders = await pool.holders()
  expect(holders).toMatchObject([
    { threadId: 0, use: 'connect', task: undefined, statement: undefined },
    { threadId: 0, use: 'connect', task: undefined, statement: 'text of query' },
  ])
  for (const { stack } of holders) expect(stack).toContain('holders.test')
  // Counted from when it was young no more.
  for (const [index, most] of [150, 100].entries()) {
    expect(holders[index]!.heldMs).toBeGreaterThanOrEqual(most - 25)
    expect(holders[index]!.heldMs).toBeLessThanOrEqual(most)
  }
  await first.close()
  expect((await pool.holders()).map(({ lease }) => lease)).toEqual([holders[1]!.lease])
  await second.close()
  expect(await pool.holders()).toEqual([])
})

it('holders() shows what is on its way to a borrower, and back', async () => {
  const { pool, driver } = gatedPool({ poolSize: 1 })
  driver.next('open', 'slow')
  const opening = pool.connect()
  await settle()
  expect(await pool.holders()).toMatchObject([{ threadId: 0, use: 'opening', statement: undefined }])
  await driver.release('open')
  const fairy = await opening
  expect(await pool.holders()).toMatchObject([{ use: 'connect' }])
  driver.next('rollback', 'slow')
  const closing = fairy.close()
  await settle()
  expect(await pool.holders()).toMatchObject([{ use: 'returning' }])
  await driver.release('rollback')
  await closing
  expect(await pool.holders()).toEqual([])
})
