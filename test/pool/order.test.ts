import { describe, expect, it } from 'vitest'
import { gatedPool, numbersOf, take } from '../support/gated-pool.ts'

describe('of several idle connections', () => {
  it('the one that came home first is lent first (22, 57)', async () => {
    const { pool } = gatedPool({ poolSize: 3 })
    const [one, two, three] = await take(pool, 3)
    for (const fairy of [one!, two!, three!]) await fairy.close()
    const again = await pool.connect()
    expect(again.number).toBe(1)
    await again.close()
    expect(numbersOf(await take(pool, 3))).toEqual([2, 3, 1])
  })

  it('the one that came home last is lent first with useLifo (57)', async () => {
    const { pool } = gatedPool({ poolSize: 3, useLifo: true })
    const [one, two, three] = await take(pool, 3)
    for (const fairy of [one!, two!, three!]) await fairy.close()
    for (let i = 0; i < 3; i++) {
      const again = await pool.connect()
      expect(again.number).toBe(3)
      await again.close()
    }
    expect(numbersOf(await take(pool, 3))).toEqual([3, 2, 1])
  })

  it('the order of return counts, not the order of places (57)', async () => {
    const { pool } = gatedPool({ poolSize: 4 })
    const [one, two, three, four] = await take(pool, 4)
    for (const fairy of [three!, one!, four!, two!]) await fairy.close()
    expect(numbersOf(await take(pool, 4))).toEqual([3, 1, 4, 2])
  })

  it('which of them useLifo picks changes nothing for those who wait: they are served as they came (49)', async () => {
    const { pool } = gatedPool({ poolSize: 1, maxOverflow: 0, useLifo: true })
    const [fairy] = await take(pool, 1)
    const order: string[] = []
    const waiters = ['first', 'second', 'third'].map(name => pool.use(() => order.push(name)))
    await fairy!.close()
    await Promise.all(waiters)
    expect(order).toEqual(['first', 'second', 'third'])
  })
})
