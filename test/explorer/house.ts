import { slotFlag, tableFlag } from '../../src/slots/layout.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { isLeased, sessionOf, stateOf } from '../../src/slots/state.ts'
import { fastTable } from '../support/fast-table.ts'
import { explore, type Findings, type Scenario } from './explorer.ts'
import type { Program } from './replay.ts'
import { print } from './schedule.ts'

/** How much is explored: by default what takes seconds. 1 and more: so many preemptions more where they are bounded. */
export const more: number = Number(process.env.FAIRYPOOL_EXPLORE ?? 0)

/** A bound of preemptions: what it is here and now. */
export const atMost = (preemptions: number): number => preemptions + more

/** A table of so many idle slots, with so many threads attached. */
export function sharedTable(slots: number, threads: number): SlotTable {
  const table = fastTable(slots)
  for (let session = 1; session <= threads; session++) table.sessions.open(session, 100 + session)
  return table
}

/** What is wrong with a table at which nothing can happen any more. */
export function lostIn(words: Int32Array, dead: readonly number[]): string | undefined {
  const buffer = new SharedArrayBuffer(words.byteLength)
  new Int32Array(buffer).set(words)
  const table = SlotTable.attach(buffer)
  const { sessions } = table
  for (let session = 0; session <= sessions.last; session++) {
    if (!dead.includes(session) && sessions.isOpen(session) && sessions.waiting(session) > 0) {
      return `a lost wake-up: thread ${session} sleeps, and waits for a connection`
    }
  }
  for (let slot = 0; slot < table.capacity; slot++) {
    const word = table.word(slot)
    const isOffered = isLeased(word) && table.isMarked(slot, slotFlag.offered) && !dead.includes(sessionOf(word))
    const state = stateOf(word)
    if (state !== 'idle' && state !== 'empty' && !isOffered) {
      return `a lost place: slot ${slot} is ${state} for ever, held by session ${sessionOf(word)}`
    }
  }
  return undefined
}

/** A coordinator and its threads on one table. */
export interface House extends Partial<Pick<Scenario, 'mortals' | 'deaths' | 'preemptions' | 'looks'>> {
  readonly slots: number
  readonly coordinator: Program
  readonly threads: readonly Program[]
  /** Changes the table before anything begins. */
  readonly prepare?: (table: SlotTable) => void
}

export function exploreHouse({ slots, coordinator, threads, prepare, ...bounds }: House): Findings {
  const table = sharedTable(slots, threads.length)
  table.set(tableFlag.fastCheckin, true)
  prepare?.(table)
  return explore({
    buffer: table.share(),
    threads: [coordinator, ...threads],
    atRest: (words, _, dead) => lostIn(words, dead),
    ...bounds,
  })
}

/** The fault that is found in a house, with its schedule; undefined when there is none. */
export function faultOf(house: House): string | undefined {
  const { counterexample, states } = exploreHouse(house)
  if (process.env.FAIRYPOOL_EXPLORE_STATES) process.stderr.write(`${states} states\n`)
  return counterexample && print(counterexample, house.threads.length + 1)
}
