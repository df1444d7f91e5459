import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { othersWait } from '../../src/slots/fair-share.ts'
import type { FastLane } from '../../src/slots/fast-lane.ts'
import { slotFlag, tableFlag } from '../../src/slots/layout.ts'
import type { SlotTable } from '../../src/slots/slot-table.ts'
import { leaseId, sessionOf, slotOfLease, stateOf, wordOfLease } from '../../src/slots/state.ts'
import { fastTable, laneOf } from '../support/fast-table.ts'

const slots = 3
const sessions = [1, 2, 3] as const

/** One thing that happens; `pick` chooses the lease, slot or flag that it happens to. */
const event = fc.record({
  what: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('claim', 'release') },
    {
      weight: 3,
      arbitrary: fc.constantFrom('hand on', 'release an old one', 'wait', 'ask', 'hear', 'offer', 'accept'),
    },
    { weight: 1, arbitrary: fc.constantFrom('take back', 'mark', 'renew', 'invalidate', 'set', 'reserve') },
  ),
  session: fc.constantFrom(...sessions),
  pick: fc.nat(100),
})

/** All that has happened on one table, and what must be true of it at any time. */
class World {
  readonly table: SlotTable = fastTable(slots)
  readonly useLifo: boolean
  readonly #lanes = new Map<number, FastLane>()
  /** By slot, the one lease there is: who has it, and its number. */
  readonly #held = new Map<number, { readonly session: number; readonly lease: number }>()
  readonly #offers: { readonly session: number; readonly lease: number }[] = []
  readonly #over: { readonly session: number; readonly lease: number }[] = []
  /** Idle slots, in the order of their return. */
  #home: number[] = [0, 1, 2]
  /** Who has returned a slot by itself, and nobody has had it since. */
  readonly #leftBy = new Map<number, number>()

  constructor(useLifo: boolean) {
    this.useLifo = useLifo
    for (const session of sessions) this.#lanes.set(session, laneOf(this.table, session, { useLifo }))
  }

  happen({ what, session, pick }: { readonly what: string; readonly session: number; readonly pick: number }): void {
    const lane = this.#lanes.get(session)!
    const slot = pick % slots
    if (what === 'claim') this.#claim(session, lane)
    if (what === 'release' || what === 'hand on') this.#end(what, session, lane, pick)
    if (what === 'release an old one') this.#misuse(lane, pick)
    if (what === 'wait') this.table.sessions.setWaiting(session, pick % 3)
    if (what === 'hear') this.table.sessions.bells.hear(session, this.table.sessions.bells.rings(session))
    if (what === 'offer' && this.table.state(slot) === 'idle') this.#offer(session, slot)
    if (what === 'accept') this.#accept(session, lane)
    if (what === 'take back') this.#takeBack(slot)
    if (what === 'mark') this.table.mark(slot, [1, 2, 4, 8][pick % 4]!)
    if (what === 'renew') this.table.unmark(slot, 15)
    if (what === 'invalidate' && pick < 30) this.table.invalidateAll()
    if (what === 'invalidate' && pick >= 30) this.table.stampOpening(slot, 0)
    if (what === 'set') this.table.set([1, 2, 4, 8][pick % 4]!, pick % 8 < 4)
    if (what === 'ask') this.#ask(session, pick)
    if (what === 'reserve') this.#reserve(slot)
    this.#check()
  }

  /** The coordinator's view of who waits changes. */
  #ask(session: number, pick: number): void {
    const { table } = this
    const asks = pick % 2 === 0 ? 1 : -1
    if (table.waiters + asks < 0) return
    table.waiters += asks
    table.sessions.addAsks(session, asks)
  }

  #claim(session: number, lane: FastLane): void {
    const { table } = this
    const may = table.has(tableFlag.fastCheckout) && !table.has(tableFlag.watched) && !othersWait(table, session)
    const fresh = this.#home.filter(slot => table.isFresh(slot))
    const own = fresh.filter(slot => this.#leftBy.get(slot) === session)
    const candidates = own.length > 0 ? own : fresh
    const expected = may ? (this.useLifo ? candidates.at(-1) : candidates[0]) : undefined
    const lease = lane.claim()
    if (expected === undefined) return expect(lease).toBe(0)
    expect(slotOfLease(lease)).toBe(expected)
    this.#lent(session, lease)
  }

  #end(what: 'release' | 'hand on', session: number, lane: FastLane, pick: number): void {
    const { table } = this
    const own = [...this.#held.values()].filter(each => each.session === session)
    const lent = own[pick % own.length]
    if (lent === undefined) return
    const slot = slotOfLease(lent.lease)
    const mayReturn =
      table.has(tableFlag.fastCheckin) &&
      !table.has(tableFlag.watched) &&
      !table.isMarked(slot, slotFlag.slow | slotFlag.lost | slotFlag.retiring)
    if (what === 'hand on') {
      const next = lane.handOn(lent.lease)
      if (next === 0) return
      expect([mayReturn, table.isFresh(slot), table.has(tableFlag.fastCheckout)]).toEqual([true, true, true])
      this.#over.push(lent)
      return this.#lent(session, next)
    }
    const { bells } = table.sessions
    const inLine = sessions.filter(
      each => table.waiters > 0 && table.sessions.isEntitled(each) && table.sessions.inLine(each) > bells.unheard(each),
    )
    const rings = sessions.map(each => bells.rings(each))
    const returned = lane.release(lent.lease)
    expect(returned === 'slow').toBe(!mayReturn || table.has(tableFlag.overflowing))
    if (returned === 'slow') return
    this.#over.push(lent)
    this.#held.delete(slot)
    this.#home.push(slot)
    this.#leftBy.set(slot, session)
    const rung = sessions.filter((each, at) => bells.rings(each) !== rings[at])
    const mayRing = table.has(tableFlag.fastCheckout) && table.isFresh(slot)
    expect(returned).toBe(inLine.length > 0 && !mayRing ? 'awaited' : 'home')
    expect(rung).toHaveLength(inLine.length > 0 && mayRing ? 1 : 0)
    const fewest = Math.min(...inLine.map(each => table.heldBy(each)))
    for (const each of rung) expect([inLine.includes(each), table.heldBy(each)]).toEqual([true, fewest])
  }

  /** Whatever is done with a lease that is over does nothing, whoever does it. */
  #misuse(lane: FastLane, pick: number): void {
    const old = this.#over[pick % this.#over.length]
    if (old === undefined) return
    expect([lane.release(old.lease), lane.handOn(old.lease), lane.accept(old.lease)]).toEqual(['ended', 0, 0])
  }

  #offer(session: number, slot: number): void {
    const word = this.table.step(slot, this.table.word(slot), 'leased', session)
    this.#offers.push({ session, lease: leaseId(slot, word) })
    this.#lent(session, leaseId(slot, word))
  }

  #accept(session: number, lane: FastLane): void {
    const index = this.#offers.findIndex(each => each.session === session)
    if (index === -1) return
    const [offer] = this.#offers.splice(index, 1)
    const slot = slotOfLease(offer!.lease)
    const lease = lane.accept(offer!.lease)
    expect(lease !== 0).toBe(this.#held.get(slot)?.lease === offer!.lease)
    if (lease === 0) return
    this.#over.push(offer!)
    this.#lent(session, lease)
  }

  /** The coordinator ends a lease, whosever it is. */
  #takeBack(slot: number): void {
    const lent = this.#held.get(slot)
    if (lent === undefined) return
    const word = this.table.step(slot, wordOfLease(lent.lease), 'returning')
    expect(word).not.toBe(-1)
    this.table.stampReturn(slot)
    this.table.step(slot, word, 'idle')
    this.#over.push(lent)
    this.#held.delete(slot)
    this.#home.push(slot)
  }

  /** Upkeep holds a slot for a moment: it comes back to the place in the order that it had. */
  #reserve(slot: number): void {
    if (this.table.state(slot) !== 'idle') return
    const word = this.table.step(slot, this.table.word(slot), 'reserved')
    for (const lane of this.#lanes.values()) {
      const lease = lane.claim()
      if (lease === 0) continue
      expect(slotOfLease(lease)).not.toBe(slot)
      this.#lent(sessionOf(wordOfLease(lease)), lease)
    }
    this.table.step(slot, word, 'idle')
  }

  #lent(session: number, lease: number): void {
    const slot = slotOfLease(lease)
    this.#held.set(slot, { session, lease })
    this.#leftBy.delete(slot)
    this.#home = this.#home.filter(each => each !== slot)
  }

  #check(): void {
    for (let slot = 0; slot < slots; slot++) {
      const word = this.table.word(slot)
      const lent = this.#held.get(slot)
      expect(stateOf(word)).toBe(lent ? 'leased' : 'idle')
      if (lent === undefined) continue
      expect([sessionOf(word), wordOfLease(lent.lease)]).toEqual([lent.session, word])
    }
    for (const session of sessions) {
      const own = [...this.#held.values()].filter(each => each.session === session)
      expect(this.table.heldBy(session)).toBe(own.length)
    }
  }
}

describe.each([false, true])('lanes of several threads on one table, useLifo %s', useLifo => {
  it('never hold a slot together, nor by a lease that is over, and claim what may be claimed: what they had last, in the order of returns, then any', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), events => {
        const world = new World(useLifo)
        for (const each of events) world.happen(each)
      }),
      { numRuns: 500 },
    )
  })
})
