import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { Bell } from '../../src/worker/bell.ts'
import { eventually } from '../support/eventually.ts'
import { threadsTable } from '../support/fast-table.ts'

/** A bell of session 3, its table's bells, what it has told, and whether anybody waits. */
function hung() {
  const { bells } = threadsTable(1).sessions
  const told: number[] = []
  const owner = { waiting: 1, rung: (turns: number) => void told.push(turns) }
  return { bells, told, owner, bell: new Bell(bells, 3, owner) }
}

describe('the bell of a thread', () => {
  it('tells how often it has rung, as long as somebody waits', async () => {
    const { bells, told, owner, bell } = hung()
    bell.listen()
    bells.ring(3)
    bells.ring(3)
    await eventually(() => told).toEqual([2])
    bells.ring(3)
    await eventually(() => told).toEqual([2, 1])
    expect(bells.unheard(3)).toBe(0)
    owner.waiting = 0
    bells.ring(3)
    await eventually(() => told).toEqual([2, 1, 1])
    // Nobody listens any more: it stays unheard, and is said at once to whoever waits next.
    bells.ring(3)
    await turn()
    expect([told, bells.unheard(3)]).toEqual([[2, 1, 1], 1])
    owner.waiting = 1
    bell.listen()
    expect([told, bells.unheard(3)]).toEqual([[2, 1, 1, 1], 0])
  })

  it('says what it has heard before it tells: what comes free while that is looked at is another ring', () => {
    const { bells, owner, bell } = hung()
    const seen: number[] = []
    owner.rung = () => {
      seen.push(bells.unheard(3))
      bells.ring(3)
      owner.waiting = 0
    }
    bells.ring(3)
    bell.listen()
    expect([seen, bells.unheard(3)]).toEqual([[0], 1])
  })

  it('listens once, however often it is asked to, and to nothing that is no ring', async () => {
    const { bells, told, bell } = hung()
    const next = vi.spyOn(bells, 'next')
    bell.listen()
    bell.listen()
    expect(next).toHaveBeenCalledTimes(1)
    bells.stir(3)
    await eventually(() => next.mock.calls.length).toBe(2)
    expect(told).toEqual([])
  })

  it('leaves nothing behind when it ends, and hears nothing more', async () => {
    const { bells, told, bell } = hung()
    const next = vi.spyOn(bells, 'next')
    bell.listen()
    bell.end()
    await next.mock.results[0]!.value
    bells.ring(3)
    bell.listen()
    await turn()
    expect([told, next.mock.calls.length, bells.unheard(3)]).toEqual([[], 1, 1])
  })
})
