import { beforeEach, describe, expect, it } from 'vitest'
import { header, headerWords, row, rowWords, sessionRow, sessionRowWords, slotFlag } from '../../src/slots/layout.ts'
import { sessionWords } from '../../src/slots/session-rows.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { isIdle, maxSession, type SlotState, sessionOf, stateNumbers } from '../../src/slots/state.ts'
import { slotRoads, slotStates } from '../support/slot-roads.ts'

/*
 * A shared table as the coordinator sees it, and a thread that writes into the same memory what it must not.
 */

const thread = 5
const last = 7
const cellOf = (word: keyof typeof row, slot = 0): number => headerWords + sessionWords + slot * rowWords + row[word]
const wordOf = (state: SlotState, session: number, lease: number): number =>
  (stateNumbers[state] << 28) | (session << 19) | lease

let table: SlotTable
let words: Int32Array
/** What the shared word was when the forgery was told of, and whether the slot was marked by then. */
let told: { readonly slot: number; readonly word: number; readonly isLost: boolean }[]

beforeEach(() => {
  table = SlotTable.create(2)
  words = new Int32Array(table.share())
  for (let session = 1; session <= last; session++) table.sessions.open(session, 100 + session)
  told = []
  table.onForgery = slot =>
    told.push({ slot, word: words[cellOf('word', slot)]!, isLost: table.isMarked(slot, slotFlag.lost) })
})

/** Steps slot 0 through these states, the last of them held by the session. */
function bring(session: number, ...states: readonly SlotState[]): number {
  let word = table.word(0)
  for (const state of states) word = table.step(0, word, state, session)
  return word
}

/** Whatever anybody may write. */
const forgeries = [
  ...slotStates.flatMap(state => [0, thread, last + 1, maxSession].map(session => wordOf(state, session, 9))),
  ...[-1, -(2 ** 31), 2 ** 31 - 1, wordOf('idle', 0, 9) | -(2 ** 31)],
]

describe('what only the coordinator writes is read where no thread can write:', () => {
  const sessionCell = (word: keyof typeof sessionRow): number =>
    headerWords + thread * sessionRowWords + sessionRow[word]
  it.each<[what: string, cell: number, set: () => void, get: () => unknown]>([
    ['the capacity', header.capacity, () => {}, () => table.capacity],
    [
      'the count of those who wait',
      header.waiters,
      () => {
        table.waiters = 3
      },
      () => table.waiters,
    ],
    [
      'the count of statements',
      header.queued,
      () => {
        table.queued = 3
      },
      () => table.queued,
    ],
    ['the flags', header.flags, () => table.set(4, true), () => table.flags],
    ['the last invalidation', header.invalidation, () => table.invalidateAll(), () => table.invalidation],
    ['the highest session', header.sessions, () => {}, () => table.sessions.last],
    ['the generation of a connection', cellOf('opened'), () => table.stampOpening(0, 5000), () => table.generation(0)],
    ['the seconds of its opening', cellOf('openedSeconds'), () => table.stampOpening(0, 5007), () => table.openedAt(0)],
    ['the milliseconds of it', cellOf('openedMs'), () => table.stampOpening(0, 5007), () => table.openedAt(0)],
    ['that a session is open', sessionCell('open'), () => {}, () => table.sessions.isOpen(thread)],
    ['the thread of a session', sessionCell('threadId'), () => {}, () => table.sessions.threadId(thread)],
    [
      'its asks',
      sessionCell('asks'),
      () => {
        table.sessions.setWaiting(thread, 1)
        table.sessions.addAsks(thread, 1)
      },
      () => table.sessions.isEntitled(thread),
    ],
    [
      'how many of them are served',
      sessionCell('served'),
      () => table.sessions.setServed(thread, 2),
      () => table.sessions.served(thread),
    ],
  ])('%s', (_what, cell, set, get) => {
    set()
    const [known, shared] = [get(), words[cell]]
    for (const value of [-1, 0, 2 ** 31 - 1]) {
      words[cell] = value
      expect(get()).toBe(known)
    }
    // And others are told the truth again as soon as there is a new one.
    set()
    if (set.length > 0) expect(words[cell]).toBe(shared)
  })

  it('the clock goes on from where it was', () => {
    table.stampOpening(0, 0)
    words[header.clock] = -100
    table.invalidateAll()
    expect(table.isFresh(0)).toBe(false)
    table.stampOpening(0, 0)
    expect(table.isFresh(0)).toBe(true)
  })

  it('the asks of a session are counted from what they were', () => {
    table.sessions.setWaiting(thread, 1)
    table.sessions.addAsks(thread, 2)
    words[headerWords + thread * sessionRowWords + sessionRow.asks] = -9
    table.sessions.addAsks(thread, -1)
    expect(table.sessions.isEntitled(thread)).toBe(true)
    expect(words[headerWords + thread * sessionRowWords + sessionRow.asks]).toBe(1)
  })

  it('the stamps of another slot that a record takes over', () => {
    table.stampOpening(0, 5007)
    const generation = table.generation(0)
    for (const word of ['opened', 'openedSeconds', 'openedMs'] as const) words[cellOf(word)] = -1
    table.copyOpening(0, 1)
    expect([table.openedAt(1), table.generation(1)]).toEqual([5007, generation])
  })

  it('all of it again once the table has grown', () => {
    const growing = SlotTable.create('growing')
    const shared = new Int32Array(growing.share())
    expect(growing.grow()).toBe(true)
    shared[header.capacity] = 1
    expect(growing.capacity).toBe(32)
    growing.stampOpening(31, 5007)
    shared[cellOf('openedMs', 31)] = -1
    expect(growing.openedAt(31)).toBe(5007)
  })
})

describe('a slot that no thread may step is what the coordinator knows it is:', () => {
  const ours = slotStates.filter(state => state !== 'idle')
  it.each(ours)('one that it has made %s', state => {
    const known = bring(0, ...slotRoads[state])
    for (const [i, forged] of forgeries.filter(word => word !== known).entries()) {
      words[cellOf('word')] = forged
      expect(table.word(0)).toBe(known)
      expect(words[cellOf('word')]).toBe(known)
      expect(told.at(-1)).toEqual({ slot: 0, word: forged, isLost: true })
      expect(told).toHaveLength(i + 1)
    }
  })

  it.each(['opening', 'reserved', 'returning', 'closing'] as const)(
    'one that is %s under the number of a thread',
    state => {
      const known = bring(thread, ...slotRoads[state])
      for (const forged of forgeries) {
        words[cellOf('word')] = forged
        expect(table.word(0)).toBe(known)
      }
    },
  )

  it('and is stepped from there, whatever stands in the shared word', () => {
    const known = bring(0, 'opening', 'leased')
    words[cellOf('word')] = wordOf('idle', 0, 9)
    const next = table.step(0, known, 'returning')
    expect([next, words[cellOf('word')], table.word(0)]).toEqual([next, next, next])
    expect(next).toBe(wordOf('returning', 0, known & 0x7ffff))
  })

  it('nor from any other word, though that stands there', () => {
    const first = bring(0, 'opening', 'leased')
    const known = table.step(0, first, 'leased')
    words[cellOf('word')] = first
    expect(table.step(0, first, 'closing')).toBe(-1)
    expect(table.word(0)).toBe(known)
  })
})

describe('a slot that a thread may step', () => {
  it.each(['idle', 'leased'] as const)('from %s is where it has stepped it to: idle, or lent to a session', state => {
    bring(thread, ...slotRoads[state])
    for (const word of [wordOf('leased', thread, 9), wordOf('idle', 0, 9), wordOf('leased', last, 10)]) {
      words[cellOf('word')] = word
      expect(table.word(0)).toBe(word)
    }
    expect(told).toEqual([])
  })

  it.each(['idle', 'leased'] as const)('from %s is idle after anything else, and its connection lost', state => {
    const known = bring(thread, ...slotRoads[state])
    const steps = [known, ...[1, thread, last].map(session => wordOf('leased', session, 9))]
    const wrong = forgeries.filter(word => !steps.includes(word) && word !== wordOf('idle', 0, 9))
    for (const forged of wrong) {
      table.unmark(0, slotFlag.lost)
      words[cellOf('word')] = forged
      const word = table.word(0)
      expect([isIdle(word), sessionOf(word), words[cellOf('word')]]).toEqual([true, 0, word])
      // Told while nobody can claim it yet.
      expect(told.at(-1)).toEqual({ slot: 0, word: forged, isLost: true })
    }
    expect(told).toHaveLength(wrong.length)
  })

  it('has numbers then that none of its loans has had, even those that nobody has looked at', () => {
    bring(thread, 'opening', 'leased')
    const seen = wordOf('leased', thread, 200_000)
    words[cellOf('word')] = seen
    expect(table.word(0)).toBe(seen)
    words[cellOf('word')] = -1
    const next = table.step(0, table.word(0), 'leased', thread)
    expect((next - seen) & 0x7ffff).toBeGreaterThan(100_000)
  })

  it('is lent to no session that there has not been, whatever the shared table says of how many there were', () => {
    bring(thread, 'opening', 'leased')
    words[header.sessions] = maxSession
    words[cellOf('word')] = wordOf('leased', last + 1, 9)
    expect(isIdle(table.word(0))).toBe(true)
  })

  it('and that the coordinator has stepped is its own again at once', () => {
    const known = bring(0, 'opening', 'idle', 'reserved')
    words[cellOf('word')] = wordOf('leased', thread, 9)
    expect(table.word(0)).toBe(known)
  })

  it('is nowhere that it has not been: a step from a word that does not stand there is none', () => {
    const known = bring(thread, 'opening', 'leased')
    words[cellOf('word')] = wordOf('leased', thread, 9)
    expect(table.step(0, known, 'closing')).toBe(-1)
    expect(table.word(0)).toBe(wordOf('leased', thread, 9))
  })
})
