import { isAfter } from './session-rows.ts'
import type { SlotTable } from './slot-table.ts'
import { isIdle, isLeased, maxSession, sessionOf } from './state.ts'

/** So many times in a row a thread hands a connection on among its own callers, while another waits that holds one fewer. */
const mostHandOvers = 16

/** Slots held, by session. One array for the thread: it is filled and read within one call. */
const held = new Int32Array(maxSession + 1)

/**
 * Max-min fair share: may the holder of a connection that comes free hand it on to the next of its own callers? Never does it
 * leave for a thread that holds as many; at once for one that holds two fewer, or the poor would wait for the rich; and after
 * a bounded number of hand-overs for one that holds one fewer, so that more threads than connections take turns.
 * The bound is of the kind that cohort locks have (Dice, Marathe and Shavit 2012): a hand-over within a thread costs no wake-up.
 */
export function mayKeep(table: SlotTable, session: number, handOvers: number): boolean {
  if (table.waiters === 0) return true
  const { sessions } = table
  const { last } = sessions
  countHeld(table, last)
  for (let other = 0; other <= last; other++) {
    if (other === session || !sessions.isEntitled(other)) continue
    const lead = held[session]! - held[other]!
    if (lead >= 2 || (lead === 1 && handOvers >= mostHandOvers)) return false
  }
  return true
}

/** True when a thread other than this one is entitled to what comes free: whoever comes now stands behind it. */
export function othersWait(table: SlotTable, session: number): boolean {
  if (table.waiters === 0) return false
  const { sessions } = table
  for (let other = 0, { last } = sessions; other <= last; other++) {
    if (other !== session && sessions.isEntitled(other)) return true
  }
  return false
}

/** True when any thread is entitled to what comes free. */
export const anyoneWaits = (table: SlotTable): boolean => othersWait(table, -1)

function countHeld(table: SlotTable, last: number): void {
  held.fill(0, 0, last + 1)
  for (let slot = 0, slots = table.capacity; slot < slots; slot++) {
    const word = table.word(slot)
    if (isLeased(word)) held[sessionOf(word)]!++
  }
}

/** How many callers stand in line in a thread whom nobody has rung for yet. */
const unrung = ({ sessions }: SlotTable, session: number): number =>
  sessions.inLine(session) - sessions.bells.unheard(session)

/**
 * Whose turn it is when something comes free: of the threads that wait, the one that holds fewest, and among equals the one whose
 * first caller came first; `giver`, which has just had it, stands behind its equals. Who has been rung for as many as wait there is
 * about to come. -1: nobody's.
 */
export function nextInTurn(table: SlotTable, giver = -1): number {
  if (table.waiters === 0) return -1
  const { sessions } = table
  const { last } = sessions
  let next = -1
  let isCounted = false
  for (let session = 0; session <= last; session++) {
    if (!sessions.isEntitled(session) || unrung(table, session) <= 0) continue
    if (next === -1) {
      next = session
      continue
    }
    // For one alone it does not matter what it holds.
    if (!isCounted) countHeld(table, last)
    isCounted = true
    if (isBefore(table, session, next, giver)) next = session
  }
  return next
}

/** `held` has been filled. */
function isBefore({ sessions }: SlotTable, session: number, other: number, giver: number): boolean {
  const lead = held[session]! - held[other]!
  if (lead !== 0) return lead < 0
  return other === giver || (session !== giver && isAfter(sessions.since(other), sessions.since(session)))
}

/** How many callers have been rung for, in all threads, who have not come yet: so much of what is idle is spoken for. */
export function spokenFor(table: SlotTable): number {
  if (table.waiters === 0) return 0
  const { sessions } = table
  let rung = 0
  for (let session = 1, { last } = sessions; session <= last; session++) {
    if (sessions.isEntitled(session)) rung += Math.min(sessions.bells.unheard(session), sessions.inLine(session))
  }
  return rung
}

/** True when threads have been rung for all that is idle and good, and are about to come for it. */
export function isAllSpokenFor(table: SlotTable): boolean {
  let left = spokenFor(table)
  if (left === 0) return false
  for (let slot = 0, slots = table.capacity; slot < slots; slot++) {
    if (isIdle(table.word(slot)) && table.isFresh(slot)) left--
  }
  return left >= 0
}
