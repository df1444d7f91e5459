import { describe, expect, it } from 'vitest'
import type { Collection } from '../../src/pool/starvation.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { House } from '../support/starving-house.ts'

fakeTime()

describe('a thread rests between collections', () => {
  /** The times at which this one thread is asked, answering each with this. */
  async function times(house: House, until: number, collection: Collection): Promise<number[]> {
    await house.lend(1)
    void house.wait()
    const at: number[] = []
    for (let ms = 20; ms <= until; ms += 20) {
      await pass(20)
      if (house.asked.splice(0).length === 0) continue
      at.push(ms)
      house.answer(1, collection)
    }
    return at
  }
  const rests = (at: readonly number[]): number[] => at.slice(1).map((ms, index) => ms - at[index]!)

  it('so that they take half as much of its time with each that finds nothing, down to a hundredth', async () => {
    const at = await times(new House(1), 10_000, { reclaimed: 0, pauseMs: 20 })
    expect(rests(at)).toEqual([160, 320, 640, 1280, 2000, 2000, 2000])
  })

  it('for 100 ms at least', async () => {
    const at = await times(new House(1), 1000, { reclaimed: 0, pauseMs: 0.1 })
    expect(rests(at)).toEqual(Array(9).fill(100))
  })

  it('so that they take a quarter again as soon as one has found something', async () => {
    const house = new House(1)
    const pauseMs = 40
    expect(rests(await times(house, 3000, { reclaimed: 0, pauseMs }))).toEqual([320, 640, 1280])
    await house.after(4000)
    house.answer(1, { reclaimed: 1, pauseMs })
    expect([await house.after(140), await house.after(20)]).toEqual([[], [1]])
  })

  it('each by itself', async () => {
    const house = new House(2)
    await house.lendTo(1, 2)
    void house.wait()
    expect(await house.after(20)).toEqual([1])
    house.answer(1, { reclaimed: 0, pauseMs: 100 })
    house.answer(2, { reclaimed: 0, pauseMs: 25 })
    expect(house.asked.splice(0)).toEqual([2])
    expect([await house.after(180), await house.after(20), await house.after(580)]).toEqual([[], [2], []])
    expect(await house.after(20)).toEqual([1])
  })
})

describe('what a thread says of its collections', () => {
  it('is counted, and stands in the status', async () => {
    const house = new House(1)
    const { pool } = house
    const [a] = await house.lendTo(1)
    expect(pool.status()).toMatchObject({ collections: 0, reclaimed: 0 })
    expect(String(pool.status())).not.toContain('collections')
    void house.wait()
    await house.after(20)
    house.answer(1)
    await house.after(200)
    await a!.end('collected')
    house.answer(1, { reclaimed: 3, pauseMs: 1 })
    expect(pool.status()).toMatchObject({ collections: 2, reclaimed: 3 })
    expect(String(pool.status())).toMatch(/waiting 0, collections 2, reclaimed 3$/)
  })

  it('is nothing unless it was asked, and nonsense is nothing', async () => {
    const house = new House(1)
    await house.lend(1)
    house.answer(1, { reclaimed: 5, pauseMs: 5 })
    house.answer(9, { reclaimed: 5, pauseMs: 5 })
    expect(house.starvation.counts).toEqual({ collections: 0, reclaimed: 0 })
    void house.wait()
    const nonsense = [Number.NaN, '5', undefined, -5, Number.POSITIVE_INFINITY, 5n, {}]
    for (const each of nonsense) {
      expect((await house.after(100)).length).toBe(1)
      house.answer(1, { reclaimed: each, pauseMs: each } as never)
    }
    expect(house.starvation.counts).toEqual({ collections: nonsense.length, reclaimed: 0 })
  })

  it('is a line in the log', async () => {
    const lines: string[] = []
    const log = (line: string): void => void lines.push(line)
    const house = new House(1, { echo: true, logger: { debug: log, info: log, warn: log, error: log } })
    await house.lend(1)
    void house.wait()
    await house.after(20)
    house.answer(1, { reclaimed: 1, pauseMs: 12.34 })
    expect(lines.at(-1)).toMatch(
      /Thread 101 collected garbage for callers that wait: 12\.3 ms, 1 forgotten connections?/,
    )
  })
})

describe("on the coordinator's own thread", () => {
  it('a fairy that is held is not taken away, however often it is asked', async () => {
    const { pool } = gatedPool({ poolSize: 1, maxOverflow: 0, timeoutMs: null, collectOnStarvation: true })
    const held = await pool.connect()
    const controller = new AbortController()
    const waiting = pool.connect({ signal: controller.signal })
    waiting.catch(() => {})
    while (pool.status().collections < 5) await pass(20)
    expect([held.isValid, pool.status().reclaimed]).toEqual([true, 0])
    controller.abort()
  })
})
