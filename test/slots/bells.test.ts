import { describe, expect, it } from 'vitest'
import { threadsTable } from '../support/fast-table.ts'

describe('a bell', () => {
  it('settles whoever listens when it rings, and at once where it has rung since', async () => {
    const { bells } = threadsTable(1).sessions
    const next = bells.next(3, bells.rings(3))!
    bells.ring(3)
    await next
    expect([bells.rings(3), bells.next(3, 0), bells.unheard(3)]).toEqual([1, undefined, 1])
    bells.hear(3, 1)
    expect([bells.unheard(3), bells.next(3, 1)]).toEqual([0, expect.anything()])
  })

  it('rings for one session only', async () => {
    const { bells } = threadsTable(1).sessions
    let isOther = false
    bells.next(2, 0)!.then(() => {
      isOther = true
    })
    const next = bells.next(3, 0)!
    bells.ring(3)
    await next
    expect([isOther, bells.rings(2)]).toEqual([false, 0])
    bells.ring(2)
  })

  it('counts what has not been heard, and what was heard without a ring is none', () => {
    const { bells } = threadsTable(1).sessions
    for (let ring = 0; ring < 3; ring++) bells.ring(2)
    bells.hear(2, 1)
    bells.hear(1, 5)
    expect([bells.unheard(2), bells.unheard(1)]).toEqual([2, 0])
  })

  it('has not rung for the thread that bears the number next', () => {
    const { sessions } = threadsTable(1)
    sessions.open(4, 104)
    sessions.bells.ring(4)
    sessions.open(4, 105)
    expect([sessions.bells.unheard(4), sessions.bells.rings(4)]).toEqual([0, 1])
  })
})
