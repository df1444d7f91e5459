import { beforeEach, expect, it } from 'vitest'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { kind } from '../../src/protocol/messages.ts'
import { iteratorMethod } from '../../src/transports/allowed.ts'
import { noCrashes } from '../support/crashes.ts'
import { eventually } from '../support/eventually.ts'
import { openPool } from '../support/open-pool.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

type Intruder = import('../support/intruder.ts').Intruder

/** What the README says can be under way. */
const most = 65_536
const tooMany = 4

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const dialect = { name: 'toy', rollback() {}, commit() {}, close() {} }

let pool: QueuePool<ToyConnection>
let made: ToyConnection[]
let worker: TestWorker

beforeEach(async () => {
  noCrashes()
  const toys = toyCreator()
  made = toys.made
  pool = openPool({ creator: toys.creator, dialect, poolSize: 1, maxOverflow: 0, logger: silent })
  worker = startWorker()
  await worker.run(async ({ load, keep }) => {
    const { Intruder } = (await load('../support/intruder.js')) as typeof import('../support/intruder.js')
    const { SlotTable } = (await load(
      '../../src/slots/slot-table.js',
    )) as typeof import('../../src/slots/slot-table.js')
    const intruder = keep('intruder', await Intruder.enter())
    // As if callers waited here.
    SlotTable.attach(intruder.welcome.buffer).sessions.setWaiting(intruder.welcome.session, 1_000_000)
  })
})

/** Posts as many of such requests as there may be, and some; returns what those are told that are refused, and how many are answered. */
function flood(
  what: number,
  ...parts: readonly unknown[]
): Promise<{ told: string[]; refused: number; answered: number }> {
  return worker.run(
    async ({ kept }, kind, times, what, parts) => {
      const intruder = kept<Intruder>('intruder')
      const from = intruder.heard.length
      intruder.post(Array.from({ length: times }, () => [what, intruder.nextId(), ...parts]))
      await intruder.heardOut()
      // But for the one that it was heard out by.
      const heard = intruder.heard
        .slice(from)
        .filter(([what]) => what !== kind.inquire)
        .slice(0, -1)
      const failures = heard.flatMap(reply => (reply[0] === kind.failure ? [reply[2]] : []))
      const told = [...new Set(failures.map(({ name, message }) => `${name}: ${message}`))]
      return { told, refused: failures.length, answered: heard.length - failures.length }
    },
    kind,
    most + tooMany,
    what,
    parts,
  )
}

const lease = (): Promise<number> => worker.run(({ kept }) => kept<Intruder>('intruder').lease())

it('so many wishes of a thread can wait, and the next are refused', async () => {
  const fairy = await pool.connect()
  expect(await flood(kind.ask)).toEqual({
    told: [`InvalidRequestError: ${most} wishes of this thread wait already, and that is the most.`],
    refused: tooMany,
    answered: 0,
  })
  expect(pool.slots.waiters).toBe(most)
  await worker.terminate()
  await eventually(() => pool.slots.waiters).toBe(0)
  await fairy.close()
})

it('so many statements of a thread can be under way, and the next are refused', async () => {
  const fairy = await pool.connect()
  expect(await flood(kind.query, 'select 1', [], undefined, undefined)).toEqual({
    told: [`InvalidRequestError: ${most} statements of this thread are under way already, and that is the most.`],
    refused: tooMany,
    answered: 0,
  })
  await worker.terminate()
  await eventually(() => [pool.status().waiting, pool.slots.queued]).toEqual([0, 0])
  await fairy.close()
})

const kept = `InvalidRequestError: ${most} calls of this connection are in flight, or their results have stayed: that is the most.`

it('so many calls of a connection can be in flight, and the next are refused', async () => {
  expect(await flood(kind.call, await lease(), 0, 'hold', [], undefined)).toEqual({
    told: [kept],
    refused: tooMany,
    answered: 0,
  })
  expect(made[0]!.holding).toBe(most)
  made[0]!.letGo()
})

it('so many results of a connection can stay here, and the next are refused until one is let go', async () => {
  const mine = await lease()
  expect(await flood(kind.call, mine, 0, 'rows', [1], undefined)).toEqual({
    told: [kept],
    refused: tooMany,
    answered: most,
  })
  const outcomes = await worker.run(
    async ({ kept }, kind, lease, iteratorMethod) => {
      const intruder = kept<Intruder>('intruder')
      const outcomes = [await intruder.outcome(kind.call, lease, 1, iteratorMethod, [], undefined)]
      intruder.post([[kind.release, lease, 2]])
      for (let i = 0; i < 2; i++)
        outcomes.push(await intruder.outcome(kind.call, lease, 1, iteratorMethod, [], undefined))
      return outcomes
    },
    kind,
    mine,
    iteratorMethod,
  )
  expect(outcomes).toEqual(['InvalidRequestError', 'handle', 'InvalidRequestError'])
})
