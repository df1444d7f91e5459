import { describe, expect, it } from 'vitest'
import { Patience } from '../../src/base/patience.ts'
import { kind } from '../../src/protocol/messages.ts'
import { slotFlag, tableFlag } from '../../src/slots/layout.ts'
import { leaseId } from '../../src/slots/state.ts'
import { eventually } from '../support/eventually.ts'
import { threadsTable } from '../support/fast-table.ts'
import { LeasingThread as Thread } from '../support/leasing-thread.ts'

describe('a thread that leases', () => {
  it('asks for one more at a time where others hold everything, and for as many as there is room for', async () => {
    const table = threadsTable(3)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    for (let i = 0; i < 3; i++) rival.connect()
    for (let i = 0; i < 5; i++) thread.connect()
    expect(thread.said.splice(0)).toEqual([kind.ask])
    thread.asked()
    // Two come home; the one that is granted makes it ask for the other as well.
    rival.lessee.giveBack(rival.leases[0]!)
    rival.lessee.giveBack(rival.leases[1]!)
    await eventually(() => thread.leases.length).toBe(2)
    expect([rival.said, thread.said]).toEqual([[], []])
    // A place more: the ask that stands is granted, and the next one is for what else there may be.
    rival.lessee.giveBack(rival.leases[2]!)
    thread.grant(2, 1)
    expect([thread.leases.length, thread.said.splice(0)]).toEqual([3, [kind.ask]])
  })

  it('says nothing where it claims what is idle, and hands on to its own callers in their order', () => {
    const table = threadsTable(1)
    const thread = new Thread(table, 1)
    for (let i = 0; i < 4; i++) thread.connect()
    thread.asked()
    thread.said.length = 0
    for (let i = 0; i < 4; i++) {
      expect(thread.leases).toHaveLength(i + 1)
      thread.lessee.giveBack(thread.leases[i]!)
    }
    expect(thread.said).toEqual([])
    expect(new Set(thread.leases).size).toBe(4)
    expect(table.state(0)).toBe('idle')
  })

  it('gives back what is granted when nobody waits there any more, and rings if others do', async () => {
    const table = threadsTable(1)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    const own = table.step(0, table.word(0), 'leased', 0)
    const controller = new AbortController()
    thread.connect(new Patience({ signal: controller.signal }, () => undefined))
    rival.connect()
    rival.asked()
    const offer = table.step(0, table.step(0, own, 'returning'), 'leased', 2)
    controller.abort('enough')
    expect([thread.failures, thread.said.splice(0)]).toEqual([['enough'], [kind.ask, kind.leave]])
    thread.lessee.granted(1, leaseId(0, offer), true)
    await eventually(() => rival.leases.length).toBe(1)
    expect(thread.said).toEqual([])
  })

  it('says that it needs no more what is on its way to it, when its last caller is served within and others wait', () => {
    const table = threadsTable(3)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    table.mark(2, slotFlag.stale)
    for (const each of [rival, thread, rival, thread]) each.connect()
    for (const each of [rival, thread]) each.asked()
    thread.said.length = 0
    // On its way: lent to this thread, and not accepted yet.
    const offered = table.step(2, table.word(2), 'leased', 2)
    expect(thread.lessee.giveBack(thread.leases[0]!)).toBe(true)
    expect([thread.leases.length, thread.said]).toEqual([2, []])
    thread.connect()
    table.mark(2, slotFlag.offered)
    expect(thread.lessee.giveBack(thread.leases[1]!)).toBe(true)
    expect([thread.leases.length, thread.said, table.word(2)]).toEqual([3, [kind.freed], offered])
  })

  it('does nothing with an offer that has been taken back', () => {
    const table = threadsTable(1)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    rival.connect()
    thread.connect()
    thread.asked()
    rival.lessee.giveBack(rival.leases[0]!)
    const offer = table.step(0, table.word(0), 'leased', 2)
    const word = table.step(0, table.step(0, offer, 'returning'), 'leased', 1)
    thread.said.length = 0
    thread.lessee.granted(1, leaseId(0, offer), true)
    expect([thread.leases, table.word(0)]).toEqual([[], word])
    // Its caller still waits, and the ask has been used up.
    expect(thread.said).toEqual([kind.ask])
  })

  it('serves nobody with what had been condemned before he came, though it was granted before that', () => {
    const table = threadsTable(1)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    rival.connect()
    const controller = new AbortController()
    thread.connect(new Patience({ signal: controller.signal }, () => undefined))
    rival.lessee.giveBack(rival.leases[0]!)
    const offer = (): number => leaseId(0, table.step(0, table.word(0), 'leased', 2))
    const early = offer()
    table.invalidateAll()
    thread.connect()
    controller.abort('enough')
    thread.said.length = 0
    thread.lessee.granted(1, early, true)
    expect([thread.leases, table.state(0), thread.said]).toEqual([[], 'idle', [kind.ask]])
    // Replaced for this ask, and condemned again on the way: that was after he came.
    table.stampOpening(0, performance.timeOrigin)
    const late = offer()
    table.invalidateAll()
    thread.lessee.granted(2, late, true)
    expect([thread.leases.length, table.state(0)]).toEqual([1, 'leased'])
  })

  it('asks anew when its ask has been found needless and somebody waits again', () => {
    const table = threadsTable(1)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    rival.connect()
    thread.connect()
    thread.said.length = 0
    thread.lessee.dismissed(1)
    expect(thread.said).toEqual([kind.ask])
    thread.lessee.dismissed(2)
    expect(thread.said).toEqual([kind.ask, kind.ask])
  })

  it("has each failure to open as one caller's, the first's, and asks for the others", () => {
    const table = threadsTable(1)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    rival.connect()
    for (let i = 0; i < 3; i++) thread.connect()
    thread.said.length = 0
    thread.lessee.refused(1, 'broken')
    expect([thread.failures, thread.said]).toEqual([['broken'], [kind.ask]])
    thread.lessee.refused(1, 'twice')
    expect(thread.failures).toEqual(['broken'])
    expect(table.sessions.waiting(2)).toBe(2)
  })

  it('claims nothing behind the back of its own queue', () => {
    const table = threadsTable(2)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    rival.connect()
    rival.connect()
    thread.connect()
    const word = table.step(0, table.word(0), 'returning')
    table.step(0, word, 'idle')
    expect(thread.lessee.claim()).toBe(0)
    expect(table.state(0)).toBe('idle')
  })

  it('does not claim for good once its session is closed', () => {
    const table = threadsTable(1)
    const thread = new Thread(table, 1)
    table.sessions.close(1)
    expect(thread.lessee.claim()).toBe(0)
  })

  it('tells all its callers when the coordinator is lost', () => {
    const table = threadsTable(1)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    rival.connect()
    for (let i = 0; i < 3; i++) thread.connect()
    thread.lessee.lose('gone')
    expect([thread.failures, table.sessions.waiting(2)]).toEqual([['gone', 'gone', 'gone'], 0])
  })

  it('leaves a return to the coordinator where that is its business', () => {
    const table = threadsTable(1)
    const thread = new Thread(table, 1)
    thread.connect()
    table.set(tableFlag.fastCheckin, false)
    expect([thread.lessee.giveBack(thread.leases[0]!), table.state(0)]).toEqual([false, 'leased'])
  })
})
