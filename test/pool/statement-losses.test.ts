import { describe, expect, it } from 'vitest'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { countsOf, failureOf, settle } from '../support/observe.ts'
import { type PipelinedConnection, pipelinedPool, warmUp } from '../support/pipelined-driver.ts'

fakeTime()

describe('a connection that is lost with statements in flight', () => {
  it('fails all of them, condemns its generation, and those that wait go over another', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const { pool, driver } = set
    const connection = await warmUp(set)
    const answers = Array.from({ length: 70 }, (_, n) => pool.query(`${n}`))
    const generation = pool.slots.generation(0)
    connection.lose()
    const failures = await Promise.all(answers.slice(0, 64).map(failureOf))
    expect(new Set(failures.map(String))).toEqual(new Set(['LostError: lost']))
    await settle()
    expect([connection.state, pool.slots.isCondemned(generation)]).toEqual(['closed', true])
    driver.connections[1]!.answer(6)
    expect(await Promise.all(answers.slice(64))).toEqual([64, 65, 66, 67, 68, 69].map(n => `${n} by 2`))
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('by an invalidation of its record, fails those that the driver does not fail by itself', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const { pool, driver } = set
    await warmUp(set)
    const failures = [pool.query('a'), pool.query('b')].map(failureOf)
    const [record] = pool.records as Iterable<ConnectionRecord<PipelinedConnection>>
    await record!.invalidate(new Error('why'))
    for (const failure of failures) {
      expect(await failure).toMatchObject({
        message: 'The connection was invalidated while the statement was in flight.',
      })
    }
    const next = pool.query('c')
    await settle()
    driver.connections[1]!.answer()
    expect(await next).toBe('c by 2')
  })

  it('takes nothing more when the pool is invalidated or disposed: it finishes, and is replaced or closed', async () => {
    for (const end of ['invalidate', 'dispose'] as const) {
      const set = pipelinedPool({ poolSize: 1 })
      const { pool, driver } = set
      const connection = await warmUp(set)
      const answers = [pool.query('1'), pool.query('2')]
      await pool[end]()
      answers.push(pool.query('3'))
      await settle()
      expect(connection.inFlight).toEqual(['1', '2'])
      connection.answer(2)
      await settle()
      expect([connection.state, driver.connections[1]!.inFlight]).toEqual(['closed', ['3']])
      driver.connections[1]!.answer()
      expect(await Promise.all(answers)).toEqual(['1 by 1', '2 by 1', '3 by 2'])
    }
  })

  it('is replaced when it is older than recycleMs, even if it never is without work', async () => {
    const set = pipelinedPool({ poolSize: 1, recycleMs: 1000 })
    const { pool, driver } = set
    const connection = await warmUp(set)
    const answers = Array.from({ length: 66 }, (_, n) => pool.query(`${n}`))
    await pass(2000)
    connection.answer(64)
    await settle()
    expect([connection.state, driver.connections[1]!.inFlight.length > 0]).toEqual(['closed', true])
    while (driver.connections[1]!.inFlight.length > 0) driver.connections[1]!.answer()
    await Promise.all(answers)
  })
})

describe('what the pool does for every checkout', () => {
  it('is done once for each time it lends a connection to statements: events, ping, reset where a transaction is open', async () => {
    const log: string[] = []
    let isOpen = false
    const set = pipelinedPool(
      { poolSize: 1, prePing: true },
      {
        ping: () => {
          log.push('ping')
          return true
        },
        rollback: () => log.push('rollback'),
        inTransaction: () => isOpen,
      },
    )
    const { pool, driver } = set
    await warmUp(set)
    log.length = 0
    for (const event of ['checkout', 'reset', 'checkin'] as const) pool.on(event, () => void log.push(event))
    const answers = [pool.query('1'), pool.query('2'), pool.query('3')]
    await settle()
    const [connection] = driver.connections
    log.push(connection!.inFlight.join())
    isOpen = true
    connection!.answer(3)
    await Promise.all(answers)
    await settle()
    expect(log).toEqual(['ping', 'checkout', '1,2,3', 'reset', 'rollback', 'checkin'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('a checkout listener that refuses is the failure of the statement that was next', async () => {
    const { pool } = pipelinedPool({ poolSize: 1 })
    pool.once('checkout', () => {
      throw new Error('not now')
    })
    const answers = [pool.query('1'), pool.query('2')]
    await expect(answers[0]).rejects.toThrow('not now')
    await settle()
    for (const { connection } of pool.records) connection!.answer()
    expect(await answers[1]).toBe('2 by 2')
  })
})
