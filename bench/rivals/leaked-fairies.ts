import { setTimeout as delay } from 'node:timers/promises'
import type { ShareAddress } from '../../src/index.ts'
import type { Entrant } from '../contender.ts'
import { Hand } from '../hand.ts'
import { quantile } from '../statistics.ts'
import { openSharedPool } from './shared-pool.ts'

/** What a thread is told that loses fairies, or that wants a connection when all are lost. */
export interface LeakData {
  readonly address: ShareAddress
  /** More than any claim should take. */
  readonly patienceMs: number
  readonly ballast: Ballast
}

/** What a leaking thread holds besides, as threads do: a collection takes as long as there are objects to look at. */
export interface Ballast {
  readonly rows: number
  /** In the text of each. */
  readonly characters: number
}

/** In a round of a second. */
const claimsPerSecond = 4

/** A thread that has just collected its garbage may be spared for a while: what is measured is a leak, not a flood of them. */
const restMs = 800

/** Threads that forget to close what they check out, until nothing is left, and another one that wants a connection. */
export const leakedFairies = (ballast: Ballast): Entrant => ({
  name: 'fairypool',
  async open(database, { threads, connections }) {
    const pool = openSharedPool(database, connections, { collectOnStarvation: true })
    const data: LeakData = { address: pool.share(), patienceMs: 5000, ballast }
    const leakers = await Promise.all(Array.from({ length: threads - 1 }, () => Hand.start('bench-leaker', data)))
    const claimer = await Hand.start<string>('bench-claimer', data)
    const leakAll = async (): Promise<void> => {
      // Each its part, as far as that is free; again if V8 has collected of its own accord meanwhile.
      while (pool.status().checkedout < connections) {
        for (const leaker of leakers) await leaker.ask(Math.ceil(connections / leakers.length))
      }
    }
    return {
      detail: claimer.greeting,
      async run({ seconds }) {
        const claims = new Float64Array(Math.max(2, Math.round(claimsPerSecond * seconds)))
        for (let i = 0; i < claims.length; i++) {
          await delay(restMs)
          await leakAll()
          claims[i] = await claimer.ask<number>('claim')
          // Nothing was reclaimed, and nothing will be: what it took says so, for all the others too.
          if (claims[i]! >= data.patienceMs) claims.fill(claims[i]!, i)
          if (claims[i]! >= data.patienceMs) break
        }
        claims.sort()
        return { 'p50 to reclaim': quantile(claims, 0.5), 'longest to reclaim': claims.at(-1)! }
      },
      async close() {
        for (const hand of [claimer, ...leakers]) await hand.kill()
        await pool[Symbol.asyncDispose]()
      },
    }
  },
})
