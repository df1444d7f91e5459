import { describe, expect, it, vi } from 'vitest'
import { notNeeded } from '../../src/pool/request.ts'
import { FastLane } from '../../src/slots/fast-lane.ts'
import { slotFlag } from '../../src/slots/layout.ts'
import { slotOfLease } from '../../src/slots/state.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { House } from '../support/starving-house.ts'

fakeTime()

describe('a thread is asked to collect its garbage', () => {
  it('when somebody has waited for 20 ms, and nothing has moved', async () => {
    const house = new House(1)
    await house.lend(1)
    expect(await house.after(1000)).toEqual([])
    void house.wait()
    expect(await house.after(19)).toEqual([])
    expect(await house.after(1)).toEqual([1])
  })

  it('never when the option is off, and then nothing looks', async () => {
    const { pool } = gatedPool({ poolSize: 1, maxOverflow: 0, timeoutMs: null })
    await pool.connect()
    const timers = vi.getTimerCount()
    void pool.connect()
    expect([pool.starvation, vi.getTimerCount() - timers]).toEqual([undefined, 0])
  })

  it('only while somebody waits: without, there is no timer', async () => {
    const house = new House(1)
    const before = vi.getTimerCount()
    const timers = (): number => vi.getTimerCount() - before
    const held = await house.lend(1)
    expect(timers()).toBe(0)
    const controller = new AbortController()
    const first = house.pool.connect({ signal: controller.signal })
    const second = house.wait()
    expect(timers()).toBe(1)
    controller.abort(new Error('given up'))
    await expect(first).rejects.toThrow('given up')
    expect(timers()).toBe(1)
    await held.end('closed')
    await (await second).close()
    expect(timers()).toBe(0)
    expect(await house.after(1000)).toEqual([])
  })

  it('not while nobody needs what was asked for: the ask leaves', async () => {
    const house = new House(1)
    await house.lend(1)
    house.pool.slots.sessions.setWaiting(2, 1)
    const dismissed = expect(house.lend(2)).rejects.toBe(notNeeded)
    house.pool.slots.sessions.setWaiting(2, 0)
    expect([await house.after(20), house.pool.slots.waiters]).toEqual([[], 0])
    await dismissed
    expect(await house.after(1000)).toEqual([])
  })

  it('if it holds a connection, and no other', async () => {
    const house = new House(1)
    const held = await house.lend(1)
    await held.end('closed')
    await house.lend(2)
    void house.wait()
    expect(await house.after(1000)).toEqual([2])
  })

  it('if its connection is not busy: who waits for an answer has not forgotten it', async () => {
    const house = new House(2)
    const [busy] = await house.lendTo(1, 2)
    const connection = busy!.connection!
    house.driver.next('call', 'slow')
    busy!.call(connection, 'query', ['x'], { resolve: () => {}, reject: () => {} })
    void house.wait()
    // What is busy says nothing of the other, which stands still.
    expect(await house.after(20)).toEqual([2])
    expect(await house.after(1000)).toEqual([])
    await house.driver.release('call')
    expect(await house.after(20)).toEqual([])
    expect(await house.after(20)).toEqual([1])
  })

  it('if it has taken what it was given: an offer is not forgotten', async () => {
    const house = new House(1)
    const { lease } = await house.lend(1)
    house.pool.slots.sessions.setWaiting(1, 1)
    house.pool.slots.mark(slotOfLease(lease), slotFlag.offered)
    void house.wait()
    expect(await house.after(1000)).toEqual([])
  })

  it('at 20 ms only if nothing moves at all, and else if it has stood still for 200', async () => {
    const house = new House(3)
    const [moving] = await house.lendTo(1, 2, 3)
    const lane = new FastLane(house.pool.slots, 1, { useLifo: false, recycleMs: -1 })
    void house.wait()
    let { lease } = moving!
    const handOn = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        // From one caller to the next within its thread: nobody is told.
        lease = lane.accept(lease)
        expect(lease).not.toBe(0)
        await pass(20)
      }
    }
    await handOn(9)
    expect(house.asked).toEqual([])
    await handOn(1)
    expect(house.asked).toEqual([2])
    await handOn(20)
    expect(house.asked).toEqual([2, 3])
  })
})

describe('threads are asked', () => {
  it('one at a time, the longest holder first; the next when one has found nothing', async () => {
    const house = new House(3)
    await house.lendTo(2, 1, 3)
    void house.wait()
    expect(await house.after(20)).toEqual([2])
    house.answer(2)
    expect(house.asked).toEqual([1])
    house.answer(1)
    expect(house.asked).toEqual([1, 3])
  })

  it('the longest holder first, by who has stood still while others waited, and by the last return', async () => {
    const house = new House(3)
    const [a, b, c] = await house.lendTo(1, 2, 3)
    // The order of returns is the order of the next loans.
    for (const each of [c!, a!, b!]) await each.end('closed')
    const [d] = await house.lendTo(3, 1, 2)
    const waiting = house.wait()
    expect(await house.after(20)).toEqual([3])
    // It comes home, and its place is lent anew: now it is the youngest.
    await d!.end('closed')
    await (await waiting).close()
    await house.lend(3)
    house.answer(3)
    expect(await house.after(200)).toEqual([])
    void house.wait()
    expect(await house.after(60)).toEqual([1, 2, 3])
  })

  it('the next at the next look when one does not answer, for its loop may be blocked; it is not asked twice', async () => {
    const house = new House(3)
    await house.lendTo(1, 2, 3)
    void house.wait()
    expect(await house.after(20)).toEqual([1])
    expect(await house.after(20)).toEqual([2])
    expect(await house.after(20)).toEqual([3])
    expect(await house.after(60_000)).toEqual([])
    house.answer(2)
    expect(await house.after(300)).toEqual([2])
  })

  it('no more when one has found something, until that has proved too little', async () => {
    const house = new House(2)
    const [a] = await house.lendTo(1, 2)
    const first = house.wait()
    const second = house.wait()
    expect(await house.after(20)).toEqual([1])
    await a!.end('collected')
    house.answer(1, { reclaimed: 1, pauseMs: 5 })
    expect((await first).isValid).toBe(true)
    expect(house.asked).toEqual([])
    // One moves now, the other is suspect by itself after a while.
    expect(await house.after(200)).toContain(2)
    void second
  })

  it('no more while what one has found is on its way, for as long as a look takes', async () => {
    const house = new House(2)
    const [a] = await house.lendTo(1, 2)
    house.pool.on('reset', () => new Promise<never>(() => {}))
    void house.wait()
    expect(await house.after(20)).toEqual([1])
    void a!.end('collected')
    house.answer(1, { reclaimed: 1, pauseMs: 5 })
    expect(house.asked).toEqual([])
    expect(await house.after(20)).toEqual([2])
  })

  it('anew when another thread bears a number that has been asked and has gone', async () => {
    const house = new House(1)
    await house.lend(1)
    void house.wait()
    expect(await house.after(20)).toEqual([1])
    expect(await house.after(1000)).toEqual([])
    house.starvation.join({ session: 1, threadId: 201 }, () => house.asked.push(201))
    expect(await house.after(20)).toEqual([201])
  })
})
