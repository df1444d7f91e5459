import { describe, expect, it } from 'vitest'
import { Vigil } from '../../src/pool/vigil.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { fastTable, laneOf, waits } from '../support/fast-table.ts'

fakeTime()

/** A vigil over a table with two idle slots, and what it has said. */
function watching() {
  const table = fastTable(2)
  table.sessions.open(1, 101)
  const said: string[] = []
  const vigil = new Vigil(() => table, { neglected: () => said.push('neglected'), quiet: () => said.push('quiet') })
  vigil.keep()
  return { table, said, vigil }
}

describe('while requests of threads stand, a vigil', () => {
  it('tells of a connection that lies idle for a whole interval though somebody waits, as long as it does', async () => {
    const { table, said } = watching()
    waits(table, 1)
    await pass(10)
    expect(said).toEqual([])
    await pass(20)
    expect(said).toEqual(['neglected', 'neglected'])
  })

  it('tells of none that has been lent meanwhile, whoever had it before', async () => {
    const { table, said } = watching()
    const lane = laneOf(table, 2)
    const other = laneOf(table, 3)
    for (let look = 0; look < 5; look++) {
      const leases = [lane.claim(), other.claim()]
      for (const lease of leases) lane.putBack(lease)
      waits(table, 1, look === 0 ? 1 : 0, 1)
      await pass(10)
      table.sessions.setWaiting(1, 0)
    }
    expect(said).toEqual([])
  })

  it('leaves to threads what they have been rung for, until it has been idle for a whole interval', async () => {
    const table = fastTable(2)
    laneOf(table, 1)
    const seen: boolean[] = []
    const vigil = new Vigil(() => table, { neglected: () => seen.push(vigil.isAllSpokenFor), quiet() {} })
    waits(table, 1, 2)
    vigil.keep()
    expect(vigil.isAllSpokenFor).toBe(false)
    table.sessions.bells.ring(1)
    // One of two.
    expect(vigil.isAllSpokenFor).toBe(false)
    table.sessions.bells.ring(1)
    expect(vigil.isAllSpokenFor).toBe(true)
    await pass(20)
    expect([seen, vigil.isAllSpokenFor]).toEqual([[false], true])
    table.sessions.bells.hear(1, 2)
    expect(vigil.isAllSpokenFor).toBe(false)
  })

  it('tells when nobody has waited for a whole interval', async () => {
    const { table, said } = watching()
    waits(table, 1, 1, 0)
    await pass(10)
    expect(said).toEqual([])
    await pass(10)
    expect(said).toEqual(['quiet'])
  })

  it('looks at nothing once no request stands, and begins anew with the next', async () => {
    const { table, said, vigil } = watching()
    waits(table, 1)
    await pass(10)
    vigil.end()
    await pass(100)
    vigil.keep()
    await pass(10)
    expect(said).toEqual([])
    await pass(10)
    expect(said).toEqual(['neglected'])
  })
})
