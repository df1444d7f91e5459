import { describe, expect, it, vi } from 'vitest'
import { Patience } from '../../src/base/patience.ts'
import { kind, type Request, type Welcome } from '../../src/protocol/messages.ts'
import { tableFlag } from '../../src/slots/layout.ts'
import type { SlotTable } from '../../src/slots/slot-table.ts'
import { leaseId } from '../../src/slots/state.ts'
import type { RemoteCaller } from '../../src/transports/remote-caller.ts'
import { Lessee } from '../../src/worker/lessee.ts'
import { fastTable } from '../support/fast-table.ts'

/** A thread that leases, and what it says to the coordinator. */
class Thread {
  readonly said: number[] = []
  /** Leases, in the order in which its callers were served. */
  readonly leases: number[] = []
  readonly failures: unknown[] = []
  readonly lessee: Lessee
  readonly session: number
  readonly #table: SlotTable
  #lastId = 0

  constructor(table: SlotTable, session: number) {
    this.#table = table
    this.session = session
    table.sessions.open(session, 100 + session)
    const caller = {
      lost: undefined,
      nextId: () => ++this.#lastId,
      keepAlive() {},
      tell: (request: Request) => void this.said.push(request[0]),
    }
    const welcome = { session, limit: table.capacity, useLifo: false, recycleMs: -1 } as Welcome
    this.lessee = new Lessee(table, caller as unknown as RemoteCaller, welcome)
  }

  /** A caller claims, or waits. */
  connect(patience = new Patience({}, () => new Error('late'))): void {
    const lease = this.lessee.claim()
    if (lease !== 0) return void this.leases.push(lease)
    this.lessee.wait({ grant: each => void this.leases.push(each), fail: error => this.failures.push(error) }, patience)
  }

  /** The coordinator has read an ask of this thread, and can't grant it now. */
  asked(): void {
    this.#table.waiters++
    this.#table.sessions.addAsks(this.session, 1)
  }

  /** The coordinator grants the thread's ask: it takes it from the line, and offers what is idle. */
  grant(slot: number, ask: number): void {
    this.#table.waiters--
    this.#table.sessions.addAsks(this.session, -1)
    const word = this.#table.step(slot, this.#table.word(slot), 'leased', this.session)
    this.lessee.granted(ask, leaseId(slot, word), true)
  }

  /** Its callers have served each other: its ask stands at the coordinator, and nobody waits. */
  stand(): void {
    this.connect()
    this.connect()
    expect(this.said.splice(0)).toEqual([kind.ask])
    this.asked()
    for (const caller of [0, 1]) expect(this.lessee.giveBack(this.leases[caller]!)).toBe(true)
    expect([this.said, this.leases.splice(0).length]).toEqual([[], 2])
  }
}

describe('two threads whose asks stand', () => {
  it('do not leave a connection to each other that comes home while both begin to wait', () => {
    const table = fastTable(2)
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
    expect(table.counts()).toMatchObject({ idle: 1 })
    expect([one.leases, two.leases]).toEqual([[], []])
    // Then somebody must tell the coordinator.
    expect([...one.said, ...two.said]).toContain(kind.freed)
  })
})

describe('a thread that leases', () => {
  it('asks for one more at a time where others hold everything, and for as many as there is room for', () => {
    const table = fastTable(3)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    for (let i = 0; i < 3; i++) rival.connect()
    for (let i = 0; i < 5; i++) thread.connect()
    expect(thread.said.splice(0)).toEqual([kind.ask])
    thread.asked()
    // Two come home; the one that is granted makes it ask for the other as well.
    rival.lessee.giveBack(rival.leases[0]!)
    rival.lessee.giveBack(rival.leases[1]!)
    expect(rival.said).toEqual([kind.freed, kind.freed])
    thread.grant(0, 1)
    expect([thread.leases.length, thread.said.splice(0)]).toEqual([1, [kind.ask]])
  })

  it('says nothing where it claims what is idle, and hands on to its own callers in their order', () => {
    const table = fastTable(1)
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

  it('gives back what is granted when nobody waits there any more, and says so if others do', () => {
    const table = fastTable(1)
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
    expect([table.state(0), thread.said]).toEqual(['idle', [kind.freed]])
  })

  it('says that it needs no more what may be on its way to it, when its last caller is served within and others wait', () => {
    const table = fastTable(1)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    thread.connect()
    thread.connect()
    thread.asked()
    expect(thread.said.splice(0)).toEqual([kind.ask])
    rival.connect()
    rival.asked()
    expect(thread.lessee.giveBack(thread.leases[0]!)).toBe(true)
    expect([thread.leases.length, thread.said]).toEqual([2, [kind.freed]])
  })

  it('does nothing with an offer that has been taken back', () => {
    const table = fastTable(1)
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
    const table = fastTable(1)
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
    const table = fastTable(1)
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
    const table = fastTable(1)
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
    const table = fastTable(2)
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
    const table = fastTable(1)
    const thread = new Thread(table, 1)
    table.sessions.close(1)
    expect(thread.lessee.claim()).toBe(0)
  })

  it('tells all its callers when the coordinator is lost', () => {
    const table = fastTable(1)
    const [rival, thread] = [new Thread(table, 1), new Thread(table, 2)]
    rival.connect()
    for (let i = 0; i < 3; i++) thread.connect()
    thread.lessee.lose('gone')
    expect([thread.failures, table.sessions.waiting(2)]).toEqual([['gone', 'gone', 'gone'], 0])
  })

  it('leaves a return to the coordinator where that is its business', () => {
    const table = fastTable(1)
    const thread = new Thread(table, 1)
    thread.connect()
    table.set(tableFlag.fastCheckin, false)
    expect([thread.lessee.giveBack(thread.leases[0]!), table.state(0)]).toEqual([false, 'leased'])
  })
})
