import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { kind } from '../../src/protocol/messages.ts'
import { header, headerWords, row, rowWords, sessionRow, sessionRowWords } from '../../src/slots/layout.ts'
import { sessionWords } from '../../src/slots/session-rows.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { maxSession, type SlotState, stateNumbers } from '../../src/slots/state.ts'
import { noCrashes } from '../support/crashes.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { startWorker } from '../support/start-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

type Intruder = import('../support/intruder.ts').Intruder

const seed = Number(process.env.FAIRYPOOL_SEED ?? Date.now() % 1_000_000)
const runs = Number(process.env.FAIRYPOOL_WORDS ?? 300)

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const firstRow = headerWords + sessionWords
const poolSize = 3

/** Where a word of a slot stands. */
const cellOf = (slot: number, word: keyof typeof row): number => firstRow + slot * rowWords + row[word]

/** Words that mean something, and any others. */
const aWord = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)),
  fc
    .tuple(fc.nat(15), fc.constantFrom(0, 1, 2, maxSession, 300), fc.nat(2 ** 19 - 1))
    .map(([state, session, number]) => (state << 28) | (session << 19) | number),
)

let pool: QueuePool<ToyConnection>
let words: Int32Array

beforeEach(() => {
  pool = openPool({ creator: toyCreator().creator, poolSize, maxOverflow: 0, timeoutMs: 5000, logger: silent })
  words = new Int32Array(pool.share().buffer)
})

/** Everything can be lent at once, and comes home. */
async function isWhole(): Promise<void> {
  const fairies = await Promise.all(Array.from({ length: poolSize }, () => pool.connect()))
  expect(new Set(fairies.map(fairy => fairy.whoami())).size).toBe(poolSize)
  await Promise.all(fairies.map(fairy => fairy.close()))
  expect(pool.status()).toMatchObject({ checkedin: poolSize, checkedout: 0, waiting: 0 })
}

it(`${runs} times a thread writes anything into the words of a slot that it holds, and dies: the place comes back`, async () => {
  noCrashes()
  const all = Object.keys(row) as (keyof typeof row)[]
  const write = fc.record({ word: fc.constantFrom(...all, 'word' as const, 'word' as const), value: aWord })
  const worker = startWorker()
  await worker.run(async ({ load, keep }) => {
    keep('Intruder', ((await load('../support/intruder.js')) as typeof import('../support/intruder.js')).Intruder)
  })
  const property = fc.asyncProperty(
    fc.array(write, { minLength: 1, maxLength: 4 }),
    fc.boolean(),
    async (writes, isBusy) => {
      const [session, slot] = await worker.run(
        async ({ kept, keep }, kind, cells, isBusy) => {
          const intruder = keep(
            'intruder',
            await kept<typeof import('../support/intruder.ts').Intruder>('Intruder').enter(),
          )
          const lease = await intruder.lease()
          if (isBusy) intruder.post([[kind.call, intruder.nextId(), lease, 0, 'hold', []]])
          const slot = Math.floor(lease / 2 ** 31)
          const words = new Int32Array(intruder.welcome.buffer)
          for (const [at, value] of cells) Atomics.store(words, at! + slot * 16, value!)
          await intruder.heardOut()
          return [intruder.welcome.session, slot] as const
        },
        kind,
        writes.map(({ word, value }) => [cellOf(0, word), value] as const),
        isBusy,
      )
      // While the intruder lives, those who come find the other places, and those who look find a status.
      expect(String(pool.status())).toContain('poolSize 3')
      await Promise.all([pool.use(toy => toy.whoami()), pool.use(toy => toy.whoami())])
      // A word that names another thread which is attached as its holder is that thread's: nobody can tell.
      await worker.run(({ kept }) => kept<Intruder>('intruder').leave())
      await eventually(() => pool.slots.sessions.isOpen(session)).toBe(false)
      expect(slot).toBeLessThan(poolSize)
      await isWhole()
    },
  )
  await fc.assert(property, { numRuns: runs, seed })
}, 120_000)

describe('whatever stands in the words that only the coordinator writes', () => {
  const cells = [
    ...Object.values(header),
    ...Object.values(sessionRow).flatMap(word =>
      [0, 1, maxSession].map(session => headerWords + session * sessionRowWords + word),
    ),
  ]
  it('it goes on by what it knows itself', async () => {
    noCrashes()
    await isWhole()
    const write = fc.record({ cell: fc.constantFrom(...cells), value: aWord })
    const property = fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 8 }), async writes => {
      for (const { cell, value } of writes) Atomics.store(words, cell, value)
      const from = performance.now()
      const fairies = await Promise.all(Array.from({ length: poolSize }, () => pool.connect()))
      const waiting = pool.connect()
      String(pool.status())
      pool.slots.counts()
      await pool.holders()
      await pool.connect({ timeoutMs: 0 }).catch(() => {})
      await fairies[0]!.close()
      await (await waiting).close()
      await Promise.all(fairies.slice(1).map(fairy => fairy.close()))
      expect(performance.now() - from).toBeLessThan(2000)
    })
    await fc.assert(property, { numRuns: runs, seed })
    await isWhole()
  }, 120_000)

  it('a thread dies, others attach, and everything is closed, as ever', async () => {
    noCrashes()
    const worker = startWorker()
    await worker.run(async ({ attach, keep }) => void keep('toy', await (await attach()).connect()))
    for (const cell of cells) Atomics.store(words, cell, -1)
    await worker.terminate()
    await eventually(() => pool.status().transports).toEqual([])
    await pool.dispose()
    expect(pool.slots.counts()).toMatchObject({ leased: 0, idle: 0 })
    expect(await pool.use(toy => toy.whoami())).toBeGreaterThan(0)
  })
})

describe('a slot that the coordinator holds itself', () => {
  it.each(Object.keys(stateNumbers) as SlotState[])('is its own, though somebody writes that it is %s', async state => {
    noCrashes()
    const fairy = await pool.connect()
    Atomics.store(words, cellOf(0, 'word'), (stateNumbers[state] << 28) | (1 << 19) | 7)
    expect([fairy.isValid, fairy.whoami()]).toEqual([true, 1])
    const other = await pool.connect()
    expect(other.whoami()).toBe(2)
    await fairy.close()
    await other.close()
    await isWhole()
  })
})

it('a word that is no step of anybody is counted, said of once, and its connection is replaced before it is lent', async () => {
  noCrashes()
  await pool.use(toy => toy.whoami())
  Atomics.store(words, cellOf(0, 'word'), -1)
  expect(pool.slots.state(0)).toBe('idle')
  expect(pool.status().refused).toBe(1)
  expect(await pool.use(toy => toy.whoami())).toBe(2)
})

it('a table that is not lent from by threads believes no thread at all', () => {
  const table = SlotTable.create(1, false)
  const words = new Int32Array(table.share())
  const lent = table.step(0, table.step(0, table.word(0), 'opening'), 'leased', 5)
  Atomics.store(words, cellOf(0, 'word'), stateNumbers.idle << 28)
  expect(table.word(0)).toBe(lent)
  expect(Atomics.load(words, cellOf(0, 'word'))).toBe(lent)
})
