import { workerData } from 'node:worker_threads'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { stateOf } from '../../src/slots/state.ts'

/** What a hammering thread is told. */
export interface HammerOrders {
  readonly table: SharedArrayBuffer
  /** One word a slot: who holds it, written by the holder itself. Then the counts of `Report`. */
  readonly side: SharedArrayBuffer
  readonly session: number
  readonly claims: number
}

/** Words of the side table behind those of the slots: threads that are ready, and what they have seen together. */
export const tally = {
  ready: 0,
  claims: 1,
  lostRaces: 2,
  sharedHolds: 3,
  failedReleases: 4,
  doubleReleases: 5,
} as const
export const tallyWords = 6

if (workerData) hammer(workerData as HammerOrders)

function hammer({ table: buffer, side, session, claims }: HammerOrders): void {
  const table = SlotTable.attach(buffer)
  const words = new Int32Array(side)
  const counts = words.subarray(words.length - tallyWords)
  const count = (index: number): void => void Atomics.add(counts, index, 1)
  count(tally.ready)
  while (Atomics.load(counts, tally.ready) < 4);
  for (let done = 0; done < claims; ) {
    for (let slot = 0; slot < table.capacity && done < claims; slot++) {
      const word = table.word(slot)
      if (stateOf(word) !== 'idle') continue
      const lease = table.step(slot, word, 'leased', session)
      if (lease === -1) {
        count(tally.lostRaces)
        continue
      }
      done++
      count(tally.claims)
      // A plain read, then a plain write: a second holder would show here, or below.
      if (words[slot] !== 0) count(tally.sharedHolds)
      words[slot] = session
      for (let spin = 0; spin < 20; spin++) if (words[slot] !== session) count(tally.sharedHolds)
      words[slot] = 0
      table.stampReturn(slot)
      if (table.step(slot, lease, 'idle') === -1) count(tally.failedReleases)
      // A second release of the same loan, maybe while the slot is lent to another already.
      if (table.step(slot, lease, 'idle') !== -1) count(tally.doubleReleases)
    }
  }
}
