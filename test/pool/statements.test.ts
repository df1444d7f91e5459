import { describe, expect, it } from 'vitest'
import { InvalidRequestError } from '../../src/base/errors.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { countsOf, failureOf, settle } from '../support/observe.ts'
import { pipelinedPool, warmUp } from '../support/pipelined-driver.ts'

fakeTime()

describe('a statement of query()', () => {
  it('takes a connection, and gives it back the moment it is answered', async () => {
    const { pool, driver } = pipelinedPool({ poolSize: 2 })
    const answer = pool.query('a')
    await settle()
    const [connection] = driver.connections
    expect([connection!.inFlight, connection!.mode, countsOf(pool)]).toEqual([['a'], 'pipelining', [2, 0, -1, 1]])
    connection!.answer()
    expect([connection!.mode, countsOf(pool)]).toEqual(['plain', [2, 1, -1, 0]])
    expect(await answer).toBe('a by 1')
  })

  it('is sent at once where a connection is idle', async () => {
    const { pool, driver } = pipelinedPool({ poolSize: 1 })
    await (await pool.connect()).close()
    const answer = pool.query('a')
    expect(driver.connections[0]!.inFlight).toEqual(['a'])
    driver.connections[0]!.answer()
    await answer
  })

  it('gets its values and its own arguments for the driver', async () => {
    const calls: unknown[] = []
    const { pool } = pipelinedPool(
      {},
      {
        statement: (text, values) => [{ text, values }],
        pipeline: () => ({
          send: (args, done) => {
            calls.push(args)
            done.resolve('done')
          },
          end() {},
        }),
      },
    )
    expect(await pool.query('a', [1, 'b'])).toBe('done')
    await pool.query('b')
    expect(calls).toEqual([[{ text: 'a', values: [1, 'b'] }], [{ text: 'b', values: [] }]])
  })

  it('that the dialect refuses, or that is none, fails at once and takes no connection', async () => {
    const { pool, driver } = pipelinedPool()
    const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>
    for (const [args, words] of [
      [['session change'], 'Use connect()'],
      [[{ text: 'a' }], 'text must be a string'],
      [[undefined], 'text must be a string'],
      [['a', 'b'], 'values must be an array'],
      [['a', null], 'values must be an array'],
      [['a', [], { timeout: 1 }], "unknown option 'timeout'"],
      [['a', [], { timeoutMs: '1s' }], 'timeoutMs must be'],
      [['a', [], { signal: 1 }], 'signal must be'],
      [['a', [], 5], 'query options must be an object'],
    ] as const) {
      await expect(query(...args)).rejects.toThrow(words)
    }
    expect(driver.attempts).toBe(0)
  })

  it('goes over an idle connection rather than behind another statement', async () => {
    const set = pipelinedPool({ poolSize: 3 })
    const { pool, driver } = set
    await warmUp(set)
    const fairies = [await pool.connect(), await pool.connect(), await pool.connect()]
    for (const fairy of fairies) await fairy.close()
    const answers = [1, 2, 3, 4, 5, 6].map(n => pool.query(`${n}`))
    expect(driver.connections.map(({ inFlight }) => inFlight.length)).toEqual([2, 2, 2])
    for (const connection of driver.connections) connection.answer(2)
    await Promise.all(answers)
    expect(countsOf(pool)).toEqual([3, 3, 0, 0])
  })

  it('goes behind the fewest others, and to a connection that is the quickest to answer', async () => {
    const set = pipelinedPool({ poolSize: 2 })
    const { pool, driver } = set
    await warmUp(set)
    for (const fairy of [await pool.connect(), await pool.connect()]) await fairy.close()
    const answers = [1, 2, 3, 4].map(n => pool.query(`${n}`))
    const [first, second] = driver.connections
    second!.answer(1)
    answers.push(pool.query('5'), pool.query('6'))
    expect([first!.inFlight.length, second!.inFlight.length]).toEqual([3, 2])
    first!.answer(3)
    second!.answer(2)
    await Promise.all(answers)
  })

  it('waits here and not on a connection when as many are in flight as may be, and is sent when one is answered', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const connection = await warmUp(set)
    const answers = Array.from({ length: 200 }, (_, n) => set.pool.query(`${n}`))
    expect([connection.inFlight.length, set.pool.status().waiting]).toEqual([64, 136])
    connection.answer()
    expect([connection.inFlight.length, set.pool.status().waiting]).toEqual([64, 135])
    connection.answer(199)
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 200 }, (_, n) => `${n} by 1`))
    expect([connection.mostInFlight, countsOf(set.pool)]).toEqual([64, [1, 1, 0, 0]])
    await settle()
    expect(set.pool.status().waiting).toBe(0)
  })

  it('of a pool that does not know how quick its answers are, has nobody behind it', async () => {
    const { pool, driver } = pipelinedPool({ poolSize: 1 })
    const answers = [pool.query('1'), pool.query('2')]
    await settle()
    expect(driver.connections[0]!.inFlight).toEqual(['1'])
    driver.connections[0]!.answer()
    driver.connections[0]!.answer()
    await Promise.all(answers)
  })

  it('is shared out among threads in turns: a crowd of one holds up nobody of another', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const { from } = set
    const connection = await warmUp(set)
    const filling = Array.from({ length: 64 }, (_, n) => from(1, `full ${n}`))
    const crowd = Array.from({ length: 100 }, (_, n) => from(1, `1.${n}`))
    const few = [from(2, '2.0'), from(2, '2.1'), from(3, '3.0'), from(2, '2.2')]
    connection.answer(8)
    expect(connection.inFlight.slice(-8)).toEqual(['1.0', '2.0', '3.0', '1.1', '2.1', '1.2', '2.2', '1.3'])
    connection.answer(160)
    await Promise.all([...filling, ...crowd, ...few].map(({ outcome }) => outcome))
  })
})

describe('a slow statement', () => {
  it('gets no more behind it than was sent before it was known to be slow', async () => {
    const set = pipelinedPool({ poolSize: 2 })
    const { pool, driver } = set
    const connection = await warmUp(set)
    const answers = [pool.query('slow'), pool.query('behind it')]
    await pass(20)
    answers.push(pool.query('next'))
    await settle()
    expect(driver.connections.map(({ inFlight }) => inFlight)).toEqual([['slow', 'behind it'], ['next']])
    driver.connections[1]!.answer()
    connection.answer(2)
    await Promise.all(answers)
  })

  it('is known by its text the next time: it goes alone, and others overtake it', async () => {
    const set = pipelinedPool({ poolSize: 2 })
    const { pool, driver } = set
    const connection = await warmUp(set)
    const first = pool.query('report')
    await pass(30)
    connection.answer()
    await first
    await warmUp(set)
    const answers = [pool.query('report'), pool.query('1'), pool.query('2'), pool.query('report'), pool.query('3')]
    await settle()
    const [, second] = driver.connections
    expect([connection.inFlight, second!.inFlight]).toEqual([['report'], ['1', '2', '3']])
    answers.push(pool.query('4'))
    second!.answer(3)
    // Each kind has its turn on the other connection.
    expect(second!.inFlight).toEqual(['report'])
    connection.answer()
    expect(connection.inFlight).toEqual(['4'])
    connection.answer()
    second!.answer()
    await Promise.all(answers)
    expect(countsOf(pool)).toEqual([2, 2, 0, 0])
  })

  it('has a turn when every connection is busy with quick ones', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const { pool } = set
    const connection = await warmUp(set)
    const first = pool.query('report')
    await pass(30)
    connection.answer()
    await first
    await warmUp(set)
    const answers = [pool.query('1'), pool.query('2'), pool.query('report')]
    expect(connection.inFlight).toEqual(['1', '2'])
    answers.push(pool.query('3'), pool.query('4'))
    connection.answer()
    expect(connection.inFlight).toEqual(['2'])
    connection.answer()
    expect(connection.inFlight).toEqual(['report'])
    connection.answer()
    expect(connection.inFlight).toEqual(['3', '4'])
    connection.answer(2)
    await Promise.all(answers)
  })
})

describe('where a connection can only have one statement at a time', () => {
  it('each is a checkout of its own, with its reset, and the threads still take turns', async () => {
    const resets: number[] = []
    const { pool, driver, from } = pipelinedPool({ poolSize: 1 }, {
      pipeline: undefined,
      inTransaction: undefined,
      rollback: () => resets.push(1),
    } as never)
    await (await pool.connect()).close()
    const outcomes = [from(1, '1.0'), from(1, '1.1'), from(1, '1.2'), from(2, '2.0')].map(({ outcome }) => outcome)
    const [connection] = driver.connections
    const order: unknown[] = []
    for (let i = 0; i < 4; i++) {
      await settle()
      order.push(...connection!.inFlight)
      connection!.answer()
    }
    await Promise.all(outcomes)
    await settle()
    expect([order, resets.length, connection!.mode, countsOf(pool)]).toEqual([
      ['1.0', '1.1', '2.0', '1.2'],
      5,
      'plain',
      [1, 1, 0, 0],
    ])
  })

  it('and a driver that has no query says so', async () => {
    const { pool } = pipelinedPool({ creator: () => ({}) as never }, { pipeline: undefined } as never)
    const failure = await failureOf(pool.query('a'))
    expect(failure).toBeInstanceOf(InvalidRequestError)
    expect((failure as Error).message).toContain("no method 'query': use connect()")
    await settle()
    expect(pool.status().checkedout).toBe(0)
  })
})
