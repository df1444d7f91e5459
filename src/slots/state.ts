import { bug } from '../base/errors.ts'

/** What a slot can be. The numbers are those in shared memory and are used in this folder only. */
export const stateNumbers = {
  empty: 0,
  opening: 1,
  idle: 2,
  reserved: 3,
  leased: 4,
  returning: 5,
  closing: 6,
} as const

/** The state of one record, as every thread sees it. */
export type SlotState = keyof typeof stateNumbers

/**
 * The allowed steps. `reserved`: held by upkeep or by dispose; nobody lends a record it does not hold.
 * `opening → closing` is an open that failed. `leased → leased` is a new loan with nothing between: a holder accepts an offer,
 * or hands on to another caller of its own thread. An `empty` slot has no connection and no user: its place is free, or its
 * record waits at home.
 */
export const allowedSteps = {
  empty: ['opening'],
  opening: ['leased', 'idle', 'closing'],
  idle: ['leased', 'reserved'],
  reserved: ['idle', 'closing'],
  leased: ['leased', 'returning', 'idle', 'closing'],
  returning: ['idle', 'leased', 'closing'],
  closing: ['empty'],
} as const satisfies Record<SlotState, readonly SlotState[]>

/*
 * A slot's word, 31 bits and never negative:  state (3) | session of the holder (9) | lease number (19).
 * The lease number goes up by one at every loan, so a word of an earlier loan never equals the present one: whoever
 * compares and sets from it fails. It comes round after 524,288 loans of one slot, all while one message is under way
 * on a port that keeps its order; that message would have arrived before them.
 */
const leaseBits = 19
const sessionBits = 9
const stateShift = leaseBits + sessionBits
const leaseMask = (1 << leaseBits) - 1
const sessionMask = (1 << sessionBits) - 1

/** Sessions are numbered from 1; 0 is the coordinator's own thread, or nobody. */
export const maxSession: number = sessionMask

const names = Object.keys(stateNumbers) as SlotState[]
/** By state, a bit for each state that may follow. */
const steps = Int32Array.from(names, from => allowedSteps[from].reduce((bits, to) => bits | (1 << stateNumbers[to]), 0))

/** The state in a slot's word. Of what no step can have written, one in which nobody lends the slot. */
export const stateOf = (word: number): SlotState => names[word >>> stateShift] ?? 'closing'

/** True for the word of a slot that is idle: anybody may claim it. */
export const isIdle = (word: number): boolean => word >>> stateShift === stateNumbers.idle

/** True for the word of a slot whose place is taken: neither free nor idle. */
export const isTaken = (word: number): boolean => !isIdle(word) && word >>> stateShift !== stateNumbers.empty

/** True for the word of a slot that is lent. */
export const isLeased = (word: number): boolean => word >>> stateShift === stateNumbers.leased

/** True for a word that a thread may have stepped a slot to by itself: idle, or lent to one of the sessions up to `last`. */
export function isThreads(word: number, last: number): boolean {
  if (isIdle(word)) return sessionOf(word) === 0
  return isLeased(word) && sessionOf(word) > 0 && sessionOf(word) <= last
}

/** A word of an idle slot whose loans have numbers that no loan has had since that of `word`. */
export const idleBeyond = (word: number): number =>
  (stateNumbers.idle << stateShift) | ((word + (leaseMask >> 1)) & leaseMask)

/** The holder's session number in a slot's word. */
export const sessionOf = (word: number): number => (word >>> leaseBits) & sessionMask

/**
 * The word that follows `word` when its slot steps to `to`. A loan (`leased`) gets the next lease number.
 * An illegal step is a fault of this library and throws; losing a race is not, and is seen by the compare-and-set.
 */
export function nextWord(word: number, to: SlotState, session: number): number {
  const from = word >>> stateShift
  if (((steps[from]! >> stateNumbers[to]) & 1) === 0) throw bug(`a slot that is ${names[from]} can't become ${to}`)
  const lease = to === 'leased' ? (word + 1) & leaseMask : word & leaseMask
  return (stateNumbers[to] << stateShift) | (session << leaseBits) | lease
}

/** One loan, as a number that crosses ports: the slot and its word while lent, in one safe integer. */
export const leaseId = (slot: number, word: number): number => slot * 2 ** 31 + word

/** The slot of a lease's number. */
export const slotOfLease = (lease: number): number => Math.floor(lease / 2 ** 31)

/** The word of a lease's number: equal to the slot's word as long as the lease lasts. */
export const wordOfLease = (lease: number): number => lease % 2 ** 31
