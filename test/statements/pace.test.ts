import { describe, expect, it } from 'vitest'
import { Pace, slowMs } from '../../src/statements/pace.ts'

/** So many answers, so many milliseconds one after another. */
function answers(pace: Pace, count: number, ms: number, text = 'a'): void {
  for (let i = 0; i < count; i++) pace.note(text, ms)
}

describe('the pace of statements', () => {
  it('is taken for slow at first: one at a time on a connection', () => {
    expect(new Pace().depth).toBe(1)
  })

  it('lets more stand behind each other with quick answers, as many as are answered within 20 ms, and never more than 64', () => {
    const pace = new Pace()
    answers(pace, 5, 0.1)
    const early = pace.depth
    answers(pace, 1000, 1.9)
    const steady = pace.depth
    answers(pace, 1000, 0.001)
    expect([early > 1, early < 10, steady, pace.depth]).toEqual([true, true, 10, 64])
  })

  it('is a mean over time: answers that are read all at once do not make it look quick', () => {
    const pace = new Pace()
    for (let i = 0; i < 200; i++) {
      pace.note('a', 8)
      answers(pace, 7, 0)
    }
    // 1 ms each.
    expect(pace.depth).toBeGreaterThanOrEqual(17)
    expect(pace.depth).toBeLessThanOrEqual(23)
  })

  it('comes down with some slow answers, however slow, and up again with some quick ones', () => {
    const pace = new Pace()
    answers(pace, 1000, 0.01)
    for (let i = 0; i < 10; i++) pace.note('report', 3_600_000)
    const after = pace.depth
    answers(pace, 300, 0.01)
    expect([after < 10, pace.depth]).toEqual([true, 64])
  })

  it('remembers which texts were slow the last time', () => {
    const pace = new Pace()
    pace.note('report', slowMs)
    pace.note('lookup', slowMs - 1)
    expect([pace.isSlow('report'), pace.isSlow('lookup'), pace.isSlow('other')]).toEqual([true, false, false])
    pace.note('report', 1)
    expect(pace.isSlow('report')).toBe(false)
  })

  it('does not remember texts without end', () => {
    const pace = new Pace()
    for (let i = 0; i < 1000; i++) pace.note(`report ${i}`, slowMs)
    const remembered = Array.from({ length: 1000 }, (_, i) => pace.isSlow(`report ${i}`)).filter(Boolean).length
    expect(remembered).toBeGreaterThan(0)
    expect(remembered).toBeLessThanOrEqual(256)
  })
})
