import { describe, expect, it } from 'vitest'
import { Bells } from '../../src/slots/bells.ts'
import { anyoneWaits, nextInTurn } from '../../src/slots/fair-share.ts'
import { FastLane, type Returned } from '../../src/slots/fast-lane.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { isLeased, slotOfLease, wordOfLease } from '../../src/slots/state.ts'
import { borrower } from './borrower.ts'
import { Coordinator, coordinator } from './coordinator.ts'
import { faultOf } from './house.ts'
import type { Program } from './replay.ts'

/** A program whose lane returns in another way. */
const returning =
  (program: Program, release: (table: SlotTable, lease: number) => Returned): Program =>
  scope => {
    const right = FastLane.prototype.release
    FastLane.prototype.release = lease => release(scope.table, lease)
    try {
      program(scope)
    } finally {
      FastLane.prototype.release = right
    }
  }

/** A program that looks whether it may step, and then steps. */
const stepping =
  (program: Program): Program =>
  scope => {
    const right = SlotTable.prototype.step
    SlotTable.prototype.step = function (slot, word, to, session): number {
      return this.word(slot) === word ? right.call(this, slot, this.word(slot), to, session) : -1
    }
    try {
      program(scope)
    } finally {
      SlotTable.prototype.step = right
    }
  }

describe('the explorer finds', () => {
  it('two holders, where a claim is not one compare-and-set', () => {
    const threads = [stepping(borrower()), stepping(borrower())]
    expect(faultOf({ slots: 1, coordinator: coordinator(1), threads })).toMatch(
      /^two holders: thread \d and thread \d\n/,
    )
  })

  it('two holders, where a return does not compare', () => {
    const store = (table: SlotTable, lease: number): Returned => {
      const slot = slotOfLease(lease)
      const word = table.word(slot)
      if (isLeased(word)) table.step(slot, word, 'idle')
      return anyoneWaits(table) ? 'awaited' : 'home'
    }
    // Returns its lease twice, and claims again.
    const careless: Program = scope => {
      const lane = new FastLane(scope.table, scope.self, { useLifo: false, recycleMs: -1 })
      for (let time = 0; time < 2; time++) {
        const lease = lane.claim()
        if (lease === 0) return
        scope.use(lease)
        lane.release(lease)
        lane.release(lease)
      }
    }
    const house = { slots: 1, coordinator: coordinator(1), threads: [returning(careless, store), careless] }
    expect(faultOf({ ...house, preemptions: 2 })).toMatch(/^two holders/)
  })

  it('a lost wake-up, where a return looks for who waits before it is idle', () => {
    const early = (table: SlotTable, lease: number): Returned => {
      const isAwaited = anyoneWaits(table)
      const slot = slotOfLease(lease)
      table.stampReturn(slot)
      table.step(slot, wordOfLease(lease), 'idle')
      return isAwaited ? 'awaited' : 'home'
    }
    const found = faultOf({
      slots: 1,
      coordinator: coordinator(1),
      threads: [returning(borrower(), early), borrower()],
    })
    expect(found).toMatch(/^a lost wake-up: thread \d sleeps/)
    // Readable: who did what, in words of the table.
    expect(found).toMatch(
      /thread 1 +reads waiters: 0\n(.*\n)* +coordinator +sets waiters to 1\n(.*\n)* +thread 1 +swaps word of slot 0 from leased by 1 #1 to idle #1/,
    )
  })

  it('a lost wake-up, where a return rings before it is idle', () => {
    const early = (table: SlotTable, lease: number): Returned => {
      const slot = slotOfLease(lease)
      const next = nextInTurn(table)
      if (next > 0) table.sessions.bells.ring(next)
      table.step(slot, wordOfLease(lease), 'idle')
      return 'home'
    }
    const threads = [returning(borrower(), early), borrower()]
    expect(faultOf({ slots: 1, coordinator: coordinator(1), threads })).toMatch(/^a lost wake-up: thread \d sleeps/)
  })

  it('a lost wake-up, where a thread listens for the next ring whatever it has not heard yet', () => {
    const { next } = Bells.prototype
    Bells.prototype.next = function (session) {
      return next.call(this, session, this.rings(session))
    }
    try {
      const threads = [borrower(), borrower()]
      expect(faultOf({ slots: 1, coordinator: coordinator(1), threads })).toMatch(/^a lost wake-up/)
    } finally {
      Bells.prototype.next = next
    }
  })

  it('a lost wake-up, where a thread that was rung dies, and the coordinator never looks by itself', () => {
    const house = {
      slots: 1,
      coordinator: coordinator(1),
      threads: [borrower(), borrower()],
      mortals: [1],
      preemptions: 1,
    }
    expect(faultOf(house)).toMatch(/^a lost wake-up: thread 2 sleeps/)
    expect(faultOf({ ...house, looks: true })).toBeUndefined()
  })

  it('a lost wake-up, where the coordinator does not look again once it has said that somebody waits', () => {
    class Early extends Coordinator {
      override wait(waiter: Parameters<Coordinator['wait']>[0]): void {
        this.waiters.add(waiter)
      }
    }
    const house = { slots: 1, coordinator: coordinator(1, undefined, Early), threads: [borrower(), borrower()] }
    expect(faultOf(house)).toMatch(/^a lost wake-up/)
  })

  it('a lost place, where the leases of a session are ended before it is closed', () => {
    class Late extends Coordinator {
      override takeBack(session: number): void {
        this.forget(session)
        this.endLeases(session)
        this.slots.sessions.close(session)
        this.tidy()
      }
    }
    const ending = coordinator(1, made => made.takeBack(1), Late)
    expect(faultOf({ slots: 1, coordinator: ending, threads: [borrower()] })).toMatch(/^a lost place: slot 0 is leased/)
  })

  it('a lost place, where only what the coordinator has lent is taken back from the dead', () => {
    class Forgetful extends Coordinator {
      override endLeases(): void {}
    }
    const house = { slots: 1, coordinator: coordinator(1, undefined, Forgetful), threads: [borrower()], mortals: [1] }
    expect(faultOf(house)).toMatch(
      /^a lost place: slot 0 is leased for ever, held by session 1\n(.*\n)* +thread 1 +dies/,
    )
  })
})
