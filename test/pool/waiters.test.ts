import { describe, expect, it } from 'vitest'
import { type Waiter, Waiters } from '../../src/pool/waiters.ts'
import type { SlotTable } from '../../src/slots/slot-table.ts'
import { fastTable, laneOf } from '../support/fast-table.ts'

/** A table of four threads and the coordinator's own, of which session `n` holds `held[n]` slots. */
class Line {
  readonly table: SlotTable
  readonly waiters: Waiters<object>
  readonly left: string[] = []
  /** What it says of whether anybody waits. */
  readonly changes: boolean[] = []
  readonly #names = new Map<Waiter<object>, string>()

  constructor(held: readonly number[] = []) {
    this.table = fastTable(12)
    for (let session = 0; session < 5; session++) {
      const lane = laneOf(this.table, session)
      for (let count = 0; count < (held[session] ?? 0); count++) lane.claim()
    }
    this.waiters = new Waiters(
      () => this.table,
      isAnybody => this.changes.push(isAnybody),
    )
  }

  /** A request, by name; its thread has a caller for it unless `callers` says how many there are. */
  add(name: string, session: number, callers = this.table.sessions.waiting(session) + 1): Waiter<object> {
    const waiter: Waiter<object> = {
      session,
      grant: () => {},
      leave: () => {
        this.left.push(name)
        this.waiters.delete(waiter)
      },
    }
    this.#names.set(waiter, name)
    if (session > 0) this.table.sessions.setWaiting(session, callers)
    this.waiters.add(waiter)
    return waiter
  }

  get next(): string | undefined {
    const next = this.waiters.next()
    return next && this.#names.get(next)
  }

  /** All, in the order of their turns; nothing is lent meanwhile. */
  drain(): string[] {
    const names: string[] = []
    for (let next = this.waiters.next(); next; next = this.waiters.next()) {
      names.push(this.#names.get(next)!)
      this.waiters.delete(next)
      const { sessions } = this.table
      if (next.session > 0) sessions.setWaiting(next.session, sessions.waiting(next.session) - 1)
    }
    return names
  }
}

describe('the requests that wait at the coordinator', () => {
  it('have their turns in the order of their arrival where all hold as much', () => {
    const line = new Line([1, 1, 1])
    line.add('a', 1)
    line.add('b', 0)
    line.add('c', 2)
    line.add('d', 1)
    line.add('e', 0)
    expect(line.drain()).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(line.next).toBeUndefined()
  })

  it('come later from a thread that holds more', () => {
    const line = new Line([1, 2, 0, 1])
    line.add('a', 1)
    line.add('b', 0)
    line.add('c', 3)
    line.add('d', 2)
    expect(line.drain()).toEqual(['d', 'b', 'c', 'a'])
  })

  it('are compared by what their threads hold now: a turn makes the next one later', () => {
    const line = new Line()
    const first = line.add('a', 1)
    line.add('b', 1)
    line.add('c', 2)
    expect(line.next).toBe('a')
    line.waiters.delete(first)
    line.table.sessions.setWaiting(1, 1)
    line.table.step(0, line.table.word(0), 'leased', 1)
    expect(line.drain()).toEqual(['c', 'b'])
  })

  it('are the turn of the only thread that waits, however much it holds', () => {
    const line = new Line([0, 7])
    line.add('a', 1)
    expect(line.next).toBe('a')
  })

  it('leave, the oldest first, where their thread has fewer callers by now: these have served each other', () => {
    const line = new Line()
    for (const name of ['a', 'b', 'c']) line.add(name, 1)
    line.add('d', 2)
    line.table.sessions.setWaiting(1, 1)
    expect(line.next).toBe('c')
    expect(line.left).toEqual(['a', 'b'])
  })

  it('stand while nobody waits in their thread, and are passed over: it may want one again before it could ask anew', () => {
    const line = new Line()
    line.add('a', 1)
    line.add('b', 2)
    line.table.sessions.setWaiting(1, 0)
    expect([line.next, line.left]).toEqual(['b', []])
    line.table.sessions.setWaiting(1, 1)
    expect([line.next, line.left]).toEqual(['a', []])
  })

  it('leave when they are told to, where nobody waits', () => {
    const line = new Line()
    line.add('a', 1)
    line.add('b', 2)
    line.add('c', 0)
    line.table.sessions.setWaiting(1, 0)
    line.waiters.dismissNeedless()
    expect([line.next, line.left]).toEqual(['b', ['a']])
  })

  it('do not leave where a thread has more callers than requests', () => {
    const line = new Line()
    line.add('a', 1, 9)
    expect([line.next, line.left]).toEqual(['a', []])
  })

  it("are never needless where they are the coordinator's own: each is a caller", () => {
    const line = new Line()
    line.add('a', 0)
    line.table.sessions.setWaiting(0, 0)
    expect([line.next, line.left]).toEqual(['a', []])
  })

  it('are told in the table: in all, by thread, and no more when they have gone', () => {
    const line = new Line()
    const { table } = line
    const seen = (): unknown[] => [table.waiters, [0, 1, 2].map(session => table.sessions.isEntitled(session))]
    expect(seen()).toEqual([0, [false, false, false]])
    const own = line.add('a', 0)
    const first = line.add('b', 1)
    const second = line.add('c', 1)
    expect(seen()).toEqual([3, [true, true, false]])
    line.waiters.delete(own)
    line.waiters.delete(own)
    line.waiters.delete(first)
    expect(seen()).toEqual([1, [false, true, false]])
    line.waiters.delete(second)
    expect(seen()).toEqual([0, [false, false, false]])
    expect(line.next).toBeUndefined()
  })

  it('say when the first comes and when the last has gone', () => {
    const line = new Line()
    const own = line.add('a', 0)
    const other = line.add('b', 1)
    line.waiters.delete(own)
    line.waiters.delete(own)
    expect(line.changes).toEqual([true])
    line.waiters.delete(other)
    expect(line.changes).toEqual([true, false])
    line.add('c', 1)
    line.table.sessions.setWaiting(1, 0)
    expect([line.next, line.changes]).toEqual([undefined, [true, false, true]])
    line.waiters.dismissNeedless()
    expect(line.changes).toEqual([true, false, true, false])
  })

  it('follow the table to shared memory', () => {
    const line = new Line()
    const waiter = line.add('a', 1)
    line.table.share()
    line.waiters.delete(waiter)
    expect([line.table.waiters, line.table.sessions.isEntitled(1)]).toEqual([0, false])
  })
})

describe('the count of callers that wait', () => {
  it("is of callers, not of requests: one ask may stand for a thread's whole queue", () => {
    const line = new Line()
    line.add('a', 0)
    line.add('b', 0)
    line.add('c', 1, 10)
    expect(line.waiters.count).toBe(12)
  })

  it('leaves out one for whom a connection is being opened, and what a closed session last said', () => {
    const line = new Line()
    line.table.sessions.setWaiting(1, 3)
    line.table.sessions.setWaiting(2, 4)
    line.table.sessions.setServed(1, 1)
    expect(line.waiters.count).toBe(6)
    line.table.sessions.close(2)
    expect(line.waiters.count).toBe(2)
    line.table.sessions.setWaiting(1, 0)
    expect(line.waiters.count).toBe(0)
  })
})

it('thirty thousand requests of a thread cost no more each than a few', () => {
  const line = new Line()
  line.table.sessions.setWaiting(1, 30_000)
  const from = performance.now()
  for (let i = 0; i < 30_000; i++) {
    line.add(`${i}`, 1, 30_000)
    line.waiters.next()
  }
  expect(performance.now() - from).toBeLessThan(2000)
  expect([line.next, line.left.length]).toEqual(['0', 0])
})

it('who stood before stands where he stood, though others have come and gone', () => {
  const line = new Line()
  const [first, second] = [line.waiters.arrive(), line.waiters.arrive()]
  const waiter = (): Waiter<object> => ({ session: 0, grant() {}, leave() {} })
  const [a, b, c] = [waiter(), waiter(), waiter()]
  line.waiters.add(b, second)
  line.waiters.add(c)
  line.waiters.delete(b)
  line.waiters.add(a, first)
  line.waiters.add(b, second)
  expect([line.waiters.next(), line.waiters.delete(a), line.waiters.next()]).toEqual([a, undefined, b])
})

it('a request that stands for nobody is as late as the caller who comes to it: it does not overtake who came before him', () => {
  const line = new Line()
  const { sessions } = line.table
  line.add('standing', 1)
  sessions.setWaiting(1, 0)
  line.add('ours', 0)
  sessions.setSince(1, sessions.arrive())
  sessions.setWaiting(1, 1)
  expect(line.drain()).toEqual(['ours', 'standing'])
})

it('nor does one that a thread makes for its second caller, while its first is served', () => {
  const line = new Line()
  const { sessions } = line.table
  sessions.setSince(1, sessions.arrive())
  line.add('ours', 0)
  line.add('second', 1)
  expect(line.drain()).toEqual(['ours', 'second'])
})
