import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Loan } from '../../src/fairies/loan.ts'
import { letGo, unwatch, watch } from '../../src/fairies/lost-fairies.ts'

/** As much of a loan as its loss concerns. */
class Out {
  place = -1
  isOut = true
  ends = 0

  end(): void {
    this.ends++
    this.isOut = false
  }
}

/** Loans whose fairies nobody holds any more but who watches them. */
function lend(count: number): Out[] {
  const loans = Array.from({ length: count }, () => new Out())
  for (const loan of loans) watch({ of: loan }, loan as unknown as Loan<object>)
  return loans
}

const giveBack = (loan: Out): void => {
  loan.isOut = false
  unwatch(loan as unknown as Loan<object>)
}

const endsOf = (loans: readonly Out[]): number[] => loans.map(({ ends }) => ends)

describe('a lost fairy', () => {
  it('is found when it is not young any more, without anybody asking for it', async () => {
    const [loan] = lend(1)
    globalThis.gc!()
    await turn()
    expect(loan!.ends).toBe(0)
    for (let i = 0; i < 200 && loan!.ends === 0; i++) {
      await pause(5)
      globalThis.gc!()
    }
    expect(loan!.ends).toBe(1)
  })

  it.each([
    ['while all are young', () => {}],
    ['when none is young any more', letGo],
  ])('is the only one found: those given back %s, in any order, are not', async (_, grow) => {
    const loans = lend(6)
    grow()
    for (const given of [5, 0, 2]) giveBack(loans[given]!)
    letGo()
    for (let i = 0; i < 200 && loans.some(({ isOut }) => isOut); i++) {
      globalThis.gc!()
      await turn()
    }
    expect(endsOf(loans)).toEqual([0, 1, 0, 1, 1, 0])
  })

  it('and what is given back leaves nothing behind among the young', () => {
    const loans = lend(4)
    for (const loan of loans) giveBack(loan)
    expect(loans.map(({ place }) => place)).toEqual([-1, -1, -1, -1])
    const [last] = lend(1)
    expect(last!.place).toBe(0)
    giveBack(last!)
  })
})
