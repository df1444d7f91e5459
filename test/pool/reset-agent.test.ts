import { describe, expect, it } from 'vitest'
import type { ResetAgent } from '../../src/fairies/loan.ts'
import type { GatedDriver } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { collectUntil, countsOf, watchWarnings } from '../support/observe.ts'

const agentFor = (driver: GatedDriver, isActive = true): ResetAgent => ({
  isActive,
  rollback: () => driver.note('agent rolls back'),
  commit: () => driver.note('agent commits'),
})

describe('a reset agent', () => {
  it.each([
    ['rollback', ['on reset 1', 'agent rolls back']],
    ['commit', ['on reset 1', 'agent commits']],
    ['none', ['on reset 1']],
  ] as const)('acts instead of the dialect, and is left alone in mode none: %s (179)', async (resetOnReturn, steps) => {
    const { pool, driver } = gatedPool({ resetOnReturn })
    driver.listen(pool, 'reset')
    const fairy = await pool.connect()
    fairy.resetAgent = agentFor(driver)
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(steps)
  })

  it('belongs to one checkout: the next has none (180)', async () => {
    const { pool, driver } = gatedPool()
    const first = await pool.connect()
    first.resetAgent = agentFor(driver)
    await first.close()
    const second = await pool.connect()
    expect(second.resetAgent).toBeUndefined()
    driver.take()
    await second.close()
    expect(driver.take()).toEqual(['rollback 1'])
  })

  it('can be taken off again', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    const agent = agentFor(driver)
    fairy.resetAgent = agent
    expect(fairy.resetAgent).toBe(agent)
    fairy.resetAgent = undefined
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['rollback 1'])
  })

  it('that is not active is warned about, and the plain reset is done (181)', async () => {
    const warnings = watchWarnings()
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    fairy.resetAgent = agentFor(driver, false)
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['rollback 1'])
    expect(warnings).toEqual(['FAIRYPOOL_RESET_AGENT'])
  })

  it('acts for a detached connection too, and never at an invalidation (182)', async () => {
    const { pool, driver } = gatedPool()
    const detached = await pool.connect()
    detached.resetAgent = agentFor(driver)
    await detached.detach()
    driver.take()
    await detached.close()
    expect(driver.take()).toEqual(['agent rolls back', 'close 1'])
    const broken = await pool.connect()
    broken.resetAgent = agentFor(driver)
    driver.take()
    await broken.invalidate()
    expect(driver.take()).toEqual(['close 2'])
  })

  it('never acts for a fairy that was lost, even if it refers to it: the plain reset is done (182, 271)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1 })
    const agents: ResetAgent[] = []
    const lose = async (): Promise<void> => {
      const fairy = await pool.connect()
      const kept = agentFor(driver)
      agents.push(kept)
      fairy.resetAgent = kept
    }
    await lose()
    await collectUntil(() => pool.status().checkedout === 0)
    expect(driver.take()).toEqual(['open 1', 'rollback 1'])
    expect(agents).toHaveLength(1)
  })

  it('that refers to its fairy, as a transaction does, keeps it from no collection (271)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1 })
    const lose = async (): Promise<void> => {
      const fairy = await pool.connect()
      fairy.resetAgent = Object.assign(agentFor(driver), { transactionOf: fairy })
    }
    await lose()
    await collectUntil(() => pool.status().checkedout === 0)
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('that fails, and has invalidated the pool by its own fairy: one event, one close, one checkin (184, 185)', async () => {
    const warnings = watchWarnings()
    const { pool, driver } = gatedPool()
    driver.listen(pool, 'invalidate', 'close', 'checkin')
    const fairy = await pool.connect()
    fairy.resetAgent = {
      isActive: true,
      commit: () => {},
      rollback: async () => {
        await pool.invalidate(fairy, new Error('by the agent'))
        throw new Error('agent fails')
      },
    }
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['on invalidate 1 (agent fails)', 'on close 1', 'close 1', 'on checkin -'])
    expect(warnings).toEqual([])
    expect(countsOf(pool)).toEqual([5, 1, -4, 0])
  })
})
