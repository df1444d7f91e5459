import { describe, expect, it } from 'vitest'
import type { Pool } from '../../src/pool/pool.ts'
import { CheckoutRequest } from '../../src/pool/request.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { countsOf, settle, stateOf } from '../support/observe.ts'
import { type PipelinedConnection, pipelinedPool, warmUp } from '../support/pipelined-driver.ts'

fakeTime()

/** A `connect()` in an attached thread, as far as the coordinator sees it. */
function connectFrom(session: number, pool: Pool<PipelinedConnection>) {
  const { sessions } = pool.slots
  if (!sessions.isOpen(session)) sessions.open(session, 1000 + session)
  sessions.setWaiting(session, sessions.waiting(session) + 1)
  const options = { timeoutMs: null, fairyOver: () => ({}) as never }
  const request = new CheckoutRequest<PipelinedConnection>(
    { session, threadId: 1000 + session },
    options,
    () => new Error('late'),
  )
  return Promise.resolve(pool.checkout(request)).then(checkout => {
    sessions.setWaiting(session, sessions.waiting(session) - 1)
    return checkout
  })
}

describe('connect() among a storm of query()', () => {
  it('has to wait for no more than what is in flight on one connection', async () => {
    const set = pipelinedPool({ poolSize: 2 })
    const { pool, driver } = set
    const first = await warmUp(set)
    for (const fairy of [await pool.connect(), await pool.connect()]) await fairy.close()
    const second = driver.connections[1]!
    const answers = Array.from({ length: 300 }, (_, n) => pool.query(`${n}`))
    expect([first.inFlight.length, second.inFlight.length]).toEqual([64, 64])
    const connected = pool.connect()
    await settle()
    first.answer(60)
    second.answer(10)
    expect([first.inFlight.length, second.inFlight.length]).toEqual([4, 54])
    first.answer(4)
    const fairy = await connected
    expect(fairy.connection).toBe(first)
    // Nobody waits any more: the other connection is filled again, but for what the waiter has got.
    second.answer()
    expect([first.inFlight.length, second.inFlight.length]).toEqual([0, 64])
    await fairy.close()
    await settle()
    // Its turn has come: it has waited as well.
    expect(first.inFlight.length).toBe(64)
    while (first.inFlight.length + second.inFlight.length > 0) {
      first.answer(first.inFlight.length)
      second.answer(second.inFlight.length)
    }
    await Promise.all(answers)
    expect([countsOf(pool), pool.status().waiting]).toEqual([[2, 2, 0, 0], 0])
  })

  it('and a storm of connect() have turns of the only connection, one after another', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const { pool } = set
    const connection = await warmUp(set)
    const order: string[] = []
    const answers = Array.from({ length: 130 }, (_, n) => pool.query(`${n}`))
    const connects = Array.from({ length: 4 }, async () => {
      const fairy = await pool.connect()
      order.push('connect')
      await fairy.close()
    })
    await settle()
    for (let turns = 0; turns < 10; turns++) {
      const { length } = connection.inFlight
      if (length > 0) order.push(`${length} statements`)
      connection.answer(length)
      await settle()
    }
    await Promise.all([...answers, ...connects])
    expect(order).toEqual([
      '64 statements',
      'connect',
      'connect',
      'connect',
      'connect',
      '64 statements',
      '2 statements',
    ])
  })

  it('that came later stands behind the statements that wait in line', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const { pool } = set
    const connection = await warmUp(set)
    const fairy = await pool.connect()
    const answers = [pool.query('1'), pool.query('2')]
    const connected = pool.connect()
    await settle()
    await fairy.close()
    await settle()
    expect([connection.inFlight, await stateOf(connected)]).toEqual([['1', '2'], 'pending'])
    connection.answer(2)
    await (await connected).close()
    await Promise.all(answers)
  })

  it('of another thread comes first if that holds fewer connections, and else does not interrupt', async () => {
    const set = pipelinedPool({ poolSize: 2 })
    const { pool, driver } = set
    await warmUp(set)
    for (const fairy of [await pool.connect(), await pool.connect()]) await fairy.close()
    const [first, second] = driver.connections
    const answers = Array.from({ length: 200 }, (_, n) => pool.query(`${n}`))
    const one = connectFrom(1, pool)
    first!.answer(64)
    const held = await one
    // Thread 1 has one, the statements have the other: they keep it, though more is wanted there.
    const another = connectFrom(1, pool)
    second!.answer(64)
    expect([second!.inFlight.length, await stateOf(another)]).toEqual([64, 'pending'])
    // Thread 2 has none: the connection comes home, but the statements have stood in line for longer.
    const other = connectFrom(2, pool)
    second!.answer(64)
    await settle()
    expect([second!.inFlight.length, await stateOf(other)]).toEqual([8, 'pending'])
    second!.answer(8)
    expect((await other).connection).toBe(second)
    await held.end('closed')
    await (await another).end('closed')
    await (await other).end('closed')
    await Promise.all(answers)
    expect(countsOf(pool)).toEqual([2, 2, 0, 0])
  })

  it('is nobody whose thread has callers no more: an ask that stands is not one who waits', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const { pool } = set
    const connection = await warmUp(set)
    const answers = Array.from({ length: 70 }, (_, n) => pool.query(`${n}`))
    const asked = connectFrom(1, pool).catch(() => 'dismissed')
    pool.slots.sessions.setWaiting(1, 0)
    connection.answer()
    expect(connection.inFlight.length).toBe(64)
    connection.answer(69)
    await Promise.all(answers)
    await pass(20)
    expect(await asked).toBe('dismissed')
  })
})

describe('what the statements ask for', () => {
  it('is one connection at first, then no more at a time than there are', async () => {
    const { pool, driver } = pipelinedPool({ poolSize: 8 })
    driver.opening = 'held'
    const answers = Array.from({ length: 20 }, (_, n) => pool.query(`${n}`))
    const openings: number[] = []
    for (let i = 0; i < 4; i++) {
      await settle()
      openings.push(driver.heldOpenings)
      while (driver.heldOpenings > 0) driver.letOpen()
    }
    await settle()
    expect([openings, driver.attempts]).toEqual([[1, 1, 2, 4], 8])
    await answerAll(driver.connections)
    await Promise.all(answers)
  })

  it('is withdrawn when nothing waits any more: a connection that opens then comes home unused', async () => {
    const set = pipelinedPool({ poolSize: 2 })
    const { pool, driver } = set
    const connection = await warmUp(set)
    driver.opening = 'held'
    const slow = pool.query('slow')
    await pass(25)
    const next = pool.query('next')
    await settle()
    expect([driver.heldOpenings, pool.status().checkedout]).toEqual([1, 2])
    connection.answer()
    expect(connection.inFlight).toEqual(['next'])
    connection.answer()
    await Promise.all([slow, next])
    driver.letOpen()
    await settle()
    expect([driver.connections[1]!.mode, driver.connections[1]!.inFlight, countsOf(pool)]).toEqual([
      'plain',
      [],
      [2, 2, 0, 0],
    ])
  })

  it('is a place in line and no more than one where every connection is out', async () => {
    const set = pipelinedPool({ poolSize: 2 })
    const { pool } = set
    const fairies = [await pool.connect(), await pool.connect()]
    const answers = Array.from({ length: 10 }, (_, n) => pool.query(`${n}`))
    expect([pool.slots.waiters, pool.status().waiting]).toEqual([1, 10])
    for (const fairy of fairies) await fairy.close()
    await settle()
    expect(pool.slots.waiters).toBe(0)
    await answerAll(set.driver.connections)
    await Promise.all(answers)
  })

  it('fails the statement that was next, if no other connection does the work', async () => {
    const { pool, driver } = pipelinedPool({ poolSize: 2 })
    driver.opening = new Error('no server')
    const answers = [pool.query('1'), pool.query('2'), pool.query('3')]
    for (const answer of answers) await expect(answer).rejects.toThrow('no server')
    expect([driver.attempts, countsOf(pool), pool.status().waiting]).toEqual([3, [2, 0, -2, 0], 0])
    driver.opening = 'ok'
    const answer = pool.query('4')
    await settle()
    driver.connections[0]!.answer()
    await answer
  })

  it('is not asked for again at once where one could not be opened and another does the work', async () => {
    const set = pipelinedPool({ poolSize: 2 })
    const { pool, driver } = set
    const connection = await warmUp(set)
    const answers = [pool.query('slow')]
    await pass(25)
    driver.opening = new Error('too many connections')
    answers.push(pool.query('1'), pool.query('2'))
    await settle()
    expect([driver.attempts, pool.status().waiting]).toEqual([2, 2])
    answers.push(pool.query('3'))
    await settle()
    expect(driver.attempts).toBe(2)
    driver.opening = 'ok'
    await pass(100)
    expect(driver.connections.map(({ inFlight }) => inFlight.length)).toEqual([1, 3])
    connection.answer()
    await answerAll(driver.connections)
    await Promise.all(answers)
  })

  it('and the last connection that works is lost, is asked for at once', async () => {
    const set = pipelinedPool({ poolSize: 2 })
    const { pool, driver } = set
    const connection = await warmUp(set)
    const slow = pool.query('slow')
    await pass(25)
    driver.opening = new Error('too many connections')
    const waiting = pool.query('1')
    await settle()
    driver.opening = 'ok'
    connection.lose()
    await expect(slow).rejects.toThrow('lost')
    await settle()
    driver.connections.at(-1)!.answer()
    expect(await waiting).toBe('1 by 2')
  })
})

async function answerAll(connections: readonly PipelinedConnection[]): Promise<void> {
  for (let busy = true; busy; await settle()) {
    busy = false
    for (const connection of connections) {
      busy ||= connection.inFlight.length > 0
      connection.answer(connection.inFlight.length)
    }
  }
}
