import { describe, expect, it, vi } from 'vitest'
import { Patience } from '../../src/base/patience.ts'
import { kind } from '../../src/protocol/messages.ts'
import { slotFlag } from '../../src/slots/layout.ts'
import { eventually } from '../support/eventually.ts'
import { threadsTable } from '../support/fast-table.ts'
import { LeasingThread as Thread } from '../support/leasing-thread.ts'

describe('two threads whose asks stand', () => {
  it('do not leave a connection to each other that comes home while both begin to wait', async () => {
    const table = threadsTable(2)
    const [one, two, three] = [new Thread(table, 1), new Thread(table, 2), new Thread(table, 3)]
    // Each keeps one of the two connections to itself while it makes its ask stand.
    three.connect()
    one.stand()
    two.stand()
    three.connect()
    expect(table.counts()).toMatchObject({ leased: 2 })
    const { sessions } = table
    // Between the first thread's word that somebody waits there and its look at the slots: a connection comes home, of which
    // nobody is told, for nobody waited; and the other thread begins to wait.
    const setWaiting = vi.spyOn(sessions, 'setWaiting').mockImplementationOnce((session, count) => {
      expect(three.lessee.giveBack(three.leases[0]!)).toBe(true)
      expect(three.said).toEqual([])
      setWaiting.mockRestore()
      // Both words are there before either looks.
      sessions.setWaiting(session, count)
      two.lessee.wait({ grant: lease => void two.leases.push(lease), fail() {} }, new Patience({}, () => undefined))
    })
    one.connect()
    // Then somebody rings, and nobody has to be told.
    await eventually(() => one.leases.length + two.leases.length).toBe(1)
    expect([table.counts().idle, one.said, two.said]).toEqual([0, [], []])
  })

  it('are rung for what comes free, the one that came first, and go on from there by themselves', async () => {
    const table = threadsTable(1)
    const [rival, one, two] = [new Thread(table, 1), new Thread(table, 2), new Thread(table, 3)]
    rival.connect()
    for (const thread of [two, one]) {
      thread.connect()
      thread.asked()
    }
    let holder = rival
    for (const next of [two, one]) {
      holder.lessee.giveBack(holder.leases[0]!)
      await eventually(() => next.leases.length).toBe(1)
      holder = next
    }
    expect([rival.said, one.said, two.said]).toEqual([[], [kind.ask], [kind.ask]])
  })

  it('pass on what they were rung for when nobody wants it there any more', async () => {
    const table = threadsTable(1)
    const [rival, one, two] = [new Thread(table, 1), new Thread(table, 2), new Thread(table, 3)]
    rival.connect()
    const controller = new AbortController()
    one.connect(new Patience({ signal: controller.signal }, () => undefined))
    two.connect()
    for (const thread of [one, two]) thread.asked()
    rival.lessee.giveBack(rival.leases[0]!)
    expect([table.sessions.bells.unheard(2), table.sessions.bells.unheard(3)]).toEqual([1, 0])
    controller.abort('enough')
    await eventually(() => two.leases.length).toBe(1)
    expect([one.leases, two.said]).toEqual([[], [kind.ask]])
  })

  it('tell the coordinator where what they were rung for is not what a thread may take', async () => {
    const table = threadsTable(1)
    const [rival, one] = [new Thread(table, 1), new Thread(table, 2)]
    rival.connect()
    one.connect()
    one.asked()
    rival.lessee.giveBack(rival.leases[0]!)
    table.mark(0, slotFlag.stale)
    await eventually(() => one.said).toEqual([kind.ask, kind.freed])
    expect([one.leases, table.state(0)]).toEqual([[], 'idle'])
  })

  it('are not rung twice for one caller: the next connection is for whoever else waits', () => {
    const table = threadsTable(2)
    const [rival, one, two] = [new Thread(table, 1), new Thread(table, 2), new Thread(table, 3)]
    rival.connect()
    rival.connect()
    for (const thread of [one, two]) {
      thread.connect()
      thread.asked()
    }
    for (const lease of rival.leases) rival.lessee.giveBack(lease)
    expect([2, 3].map(session => table.sessions.bells.unheard(session))).toEqual([1, 1])
  })
})
