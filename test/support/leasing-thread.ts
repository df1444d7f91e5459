import { expect } from 'vitest'
import { Patience } from '../../src/base/patience.ts'
import { kind, type Request, type Welcome } from '../../src/protocol/messages.ts'
import type { SlotTable } from '../../src/slots/slot-table.ts'
import { leaseId } from '../../src/slots/state.ts'
import type { RemoteCaller } from '../../src/transports/remote-caller.ts'
import { Lessee } from '../../src/worker/lessee.ts'

/** A thread that leases, and what it says to the coordinator. */
export class LeasingThread {
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
