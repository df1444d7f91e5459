import { describe, expect, it } from 'vitest'
import { createPool, type PoolOptions } from '../../src/index.ts'
import { pg } from '../../src/pg.ts'
import type { Failure } from '../support/failure.ts'
import { openPool } from '../support/open-pool.ts'
import { poolWarnings } from '../support/pool-warnings.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { runFile } from '../support/run-file.ts'
import { startWorker } from '../support/start-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

interface Seen {
  readonly failures: readonly Failure[]
  readonly elapsedMs: number
  readonly status: string
  readonly afterwards: unknown
  readonly code: unknown
  readonly errors: string
}

/** What a process sees that is given a piece of bad input; it has to end by itself, with code 0. */
async function inProcess(input: string, where: string): Promise<Seen> {
  const { code, output, errors } = await runFile('bad-input', [input, where])
  return { ...(output === '' ? {} : JSON.parse(output)), code, errors }
}

const onPurpose = { class: 'RangeError', message: 'on purpose' }
const expected: Readonly<Record<string, object>> = {
  throws: onPurpose,
  rejects: onPurpose,
  'throws no error': { message: 'not an error: just a word' },
  'returns null': { class: 'InvalidRequestError', message: 'The creator returned null instead of a connection.' },
  'returns a number': { class: 'InvalidRequestError', message: 'The creator returned number instead of a connection.' },
  nowhere: { code: 'ECONNREFUSED' },
  'no such folder': { code: 'ENOENT' },
  'no such host': { code: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) },
  'hangs up': { message: expect.stringContaining('Connection terminated') },
}

describe.each(['coordinator', 'worker'])('in the %s', where => {
  it.each(Object.keys(expected).slice(0, 5))(
    'a creator that %s: everyone gets its error, and no place is lost',
    async input => {
      const seen = await inProcess(input, where)
      expect(seen).toMatchObject({ code: 0, errors: '', afterwards: 1 })
      expect(seen.failures).toMatchObject(Array(3).fill(expected[input]))
      expect(seen.status).toBe('poolSize 1, checkedin 0, overflow -1, checkedout 0, waiting 0')
    },
  )

  it('a creator that never settles: the attempt ends, who waits times out with that as cause, and no place is lost', async () => {
    const seen = await inProcess('never settles', where)
    expect(seen).toMatchObject({ code: 0, errors: '', afterwards: 1 })
    const [first, second, third] = seen.failures
    expect(first).toMatchObject({
      class: 'TimeoutError',
      code: 'FAIRYPOOL_TIMEOUT',
      fields: { phase: 'connect', timeoutMs: 400 },
    })
    // The place is free again after each attempt, so each caller makes its own, until the third's time is up.
    expect(second).toMatchObject({ class: 'TimeoutError', fields: { phase: 'connect', timeoutMs: 400 } })
    expect(third).toMatchObject({
      class: 'TimeoutError',
      message: expect.stringContaining('The last failure to connect was: No connection could be opened within 400 ms'),
      fields: { phase: 'connect', timeoutMs: 1000, total: 1, leased: 1 },
      cause: { class: 'TimeoutError', fields: { phase: 'connect' } },
    })
  })

  it.each(Object.keys(expected).slice(5))(
    'a database that is %s: one clear error each, no password in it',
    async input => {
      const seen = await inProcess(input, where)
      expect(seen).toMatchObject({ code: 0, errors: '', afterwards: expect.stringContaining('still broken') })
      expect(seen.failures).toMatchObject(Array(3).fill(expected[input]))
      expect(seen.status).toBe('poolSize 1, checkedin 0, overflow -1, checkedout 0, waiting 0')
      expect(JSON.stringify(seen)).not.toContain('secret')
    },
  )

  it.each(['says nothing', 'talks nonsense'])(
    'a server that %s: the attempt ends by connectTimeoutMs, or sooner',
    async input => {
      const seen = await inProcess(input, where)
      expect(seen).toMatchObject({ code: 0, errors: '' })
      for (const failure of seen.failures)
        expect(failure.message).toMatch(/400 ms|1000 ms|terminated|HTTP|SSL|Received unexpected/)
      expect(seen.status).toContain('waiting 0')
    },
  )
})

describe('options', () => {
  const creator = toyCreator().creator
  const wrong: readonly [string, unknown, RegExp][] = [
    ['nothing', undefined, /pool options must be an object, got undefined/],
    ['neither dialect nor creator', {}, /give a dialect.*or a creator/],
    ['an unknown one', { creator, poolsize: 3 }, /unknown option 'poolsize'. Known are .*poolSize/],
    ['a pool size of a wrong type', { creator, poolSize: '4' }, /poolSize must be a whole number, 0 or more, got '4'/],
    ['a pool size out of range', { creator, poolSize: -1 }, /poolSize must be/],
    ['a pool size that is not whole', { creator, poolSize: 1.5 }, /poolSize must be/],
    ['an overflow out of range', { creator, maxOverflow: -2 }, /maxOverflow must be.*or -1/],
    [
      'more connections than there can be',
      { creator, poolSize: 60_000, maxOverflow: 6000 },
      /66000; 65,536 is the most/,
    ],
    ['a timeout below zero', { creator, timeoutMs: -5 }, /timeoutMs must be a number of milliseconds/],
    ['a timeout that is not a number', { creator, timeoutMs: Number.NaN }, /timeoutMs must be/],
    ['a creator that is no function', { creator: {} }, /creator must be a function, got an object/],
    ['a reset mode that does not exist', { creator, resetOnReturn: 'maybe' }, /resetOnReturn must be one of/],
    ['a listener for no event', { creator, events: [[() => {}, 'birthday']] }, /no event 'birthday'/],
    [
      'a dialect that can not open',
      { dialect: { name: 'closed', rollback() {}, commit() {}, close() {} } },
      /'closed' can't open connections/,
    ],
  ]
  it.each(wrong)('of a pool: %s is refused at once', (_what, options, message) => {
    expect(() => createPool(options as PoolOptions<ToyConnection>)).toThrow(message)
  })

  it.each([7, null])('of pg(): %j is refused at once', config => {
    expect(() => pg(config as never)).toThrow(/pg\(config\): config must be/)
  })

  it('of connect() are refused at once, in both threads, and cost no place', async () => {
    const pool = openPool<ToyConnection>({ creator, poolSize: 1, maxOverflow: 0 })
    const wrong = [{ timeoutMs: -1 }, { timeoutMs: 'soon' }, { signal: {} }, { nope: 1 }, 7]
    for (const options of wrong) {
      await expect(pool.connect(options as never)).rejects.toMatchObject({ code: 'FAIRYPOOL_ARGUMENT' })
    }
    const failures = await startWorker().run(async ({ attach, failureOf }, wrong) => {
      const pool = await attach()
      return Promise.all(wrong.map(options => failureOf(() => pool.connect(options as never))))
    }, wrong)
    for (const failure of failures)
      expect(failure).toMatchObject({ class: 'ArgumentError', code: 'FAIRYPOOL_ARGUMENT' })
    expect(pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })
})

it("what can't travel on the control plane is refused too, with the same class", async () => {
  const pool = openPool<ToyConnection>({ creator: toyCreator().creator, poolSize: 1 })
  pool.on('connect', (_connection, record) => record.info.set('function', () => {}))
  const seen = await startWorker().run(async ({ attach, failureOf }) => {
    const toy = (await (await attach()).connect()) as RemoteToy
    const failures = [
      await failureOf(() => toy.info!.set('key', () => {}) as Promise<unknown>),
      await failureOf(() => toy.info!.get('function') as Promise<unknown>),
    ]
    await toy.info!.set('key', 1)
    return { failures, key: (await toy.info!.get('key')) as unknown }
  })
  expect(seen.key).toBe(1)
  for (const failure of seen.failures) expect(failure).toMatchObject({ class: 'NotClonableError' })
})

it('a closed fairy refuses calls, may be closed again, and comes home when its call in flight has ended (130, 132)', async () => {
  poolWarnings()
  const { creator, made } = toyCreator()
  const pool = openPool<ToyConnection>({ creator, poolSize: 1, maxOverflow: 0 })
  const fairy = await pool.connect()
  const call = fairy.hold()
  const closed = fairy.close()
  await fairy.close()
  expect(() => fairy.whoami()).toThrow(/closed/)
  expect(fairy).toMatchObject({ isValid: false, connection: undefined })
  expect(pool.status().checkedout).toBe(1)
  made[0]!.letGo()
  expect(await call).toBe('let go')
  await closed
  expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
})
