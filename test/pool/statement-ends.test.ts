import { describe, expect, it } from 'vitest'
import { TimeoutError } from '../../src/base/errors.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { countsOf, failureOf, settle, stateOf } from '../support/observe.ts'
import { type PipelinedConnection, pipelinedPool, warmUp } from '../support/pipelined-driver.ts'

fakeTime()

describe('a caller who has no patience any more', () => {
  it('while the statement waits, by the deadline of the pool: the statement is forgotten', async () => {
    const { pool, driver } = pipelinedPool({ poolSize: 1, timeoutMs: 100 })
    const fairy = await pool.connect()
    const failure = failureOf(pool.query('a'))
    await pass(99)
    expect(await stateOf(failure)).toBe('pending')
    await pass(1)
    const error = (await failure) as TimeoutError
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error).toMatchObject({ phase: 'wait', timeoutMs: 100, total: 1, leased: 1, waiting: 1 })
    expect(error.message).toMatch(
      /^query\(\) timed out after 100 ms waiting for a connection: 1 of 1 connections are out, 1 callers wait\. Held by thread 0 for \d+ ms\.$/,
    )
    expect(pool.status().waiting).toBe(0)
    await fairy.close()
    await settle()
    expect([driver.connections[0]!.inFlight, countsOf(pool)]).toEqual([[], [1, 1, 0, 0]])
  })

  it('has, once it is sent, as much as it takes, where only the pool has said how long', async () => {
    const { pool, driver } = pipelinedPool({ poolSize: 1, timeoutMs: 100 })
    const answer = pool.query('a')
    await settle()
    await pass(5000)
    driver.connections[0]!.answer()
    expect(await answer).toBe('a by 1')
  })

  it('by a deadline of its own, which is one over waiting and running', async () => {
    const { pool, driver } = pipelinedPool({ poolSize: 1, timeoutMs: 10 })
    const fairy = await pool.connect()
    const failure = failureOf(pool.query('a', [], { timeoutMs: 100 }))
    await pass(60)
    await fairy.close()
    await settle()
    expect(driver.connections[0]!.inFlight).toEqual(['a'])
    await pass(40)
    expect(await failure).toMatchObject({ phase: 'query', timeoutMs: 100 })
  })

  it('by a deadline of its own that passes while it waits: then the error says so', async () => {
    const { pool } = pipelinedPool({ poolSize: 1 })
    const fairy = await pool.connect()
    const failure = failureOf(pool.query('a', [], { timeoutMs: 50 }))
    await pass(50)
    expect(await failure).toMatchObject({ phase: 'wait', timeoutMs: 50 })
    await fairy.close()
  })

  it('at once, with 0, where there is no place; but waits for a connection that is being opened', async () => {
    const { pool, driver } = pipelinedPool({ poolSize: 1 })
    driver.opening = 'held'
    const opened = pool.query('a', [], { timeoutMs: 0 })
    await settle()
    driver.letOpen()
    await settle()
    const failure = await failureOf(pool.query('b', [], { timeoutMs: 0 }))
    expect(failure).toMatchObject({ phase: 'wait', timeoutMs: 0 })
    await pass(60_000)
    driver.connections[0]!.answer()
    expect([await opened, countsOf(pool), pool.status().waiting]).toEqual(['a by 1', [1, 1, 0, 0], 0])
  })

  it('never, with null, whatever the pool says', async () => {
    const { pool } = pipelinedPool({ poolSize: 1, timeoutMs: 10 })
    const fairy = await pool.connect()
    const answer = pool.query('a', [], { timeoutMs: null })
    await pass(100_000)
    expect(await stateOf(answer)).toBe('pending')
    await fairy.close()
    await settle()
    for (const { connection } of pool.records) connection!.answer()
    await answer
  })

  it('by a signal, before it began, while it waits, and while it runs', async () => {
    const { pool, driver } = pipelinedPool({ poolSize: 1 })
    const aborted = AbortSignal.abort(new Error('before'))
    expect(await failureOf(pool.query('a', [], { signal: aborted }))).toBe(aborted.reason)
    expect(driver.attempts).toBe(0)
    const controllers = [new AbortController(), new AbortController()]
    const failures = controllers.map(({ signal }, n) => failureOf(pool.query(`${n}`, [], { signal })))
    await settle()
    for (const controller of controllers.toReversed()) controller.abort()
    for (const failure of failures) expect(await failure).toMatchObject({ name: 'AbortError' })
    const [connection] = driver.connections
    expect(connection!.inFlight).toEqual(['0'])
    driver.cancels[0]!.settle()
    connection!.fail()
    await settle()
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })
})

describe('a statement whose caller has left while it runs', () => {
  it('is cancelled at the server if nothing else is in flight on its connection, which takes nothing until that is over', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const { pool, driver } = set
    const connection = await warmUp(set)
    const controller = new AbortController()
    const failure = failureOf(pool.query('a', [], { signal: controller.signal }))
    controller.abort()
    await failure
    const next = pool.query('b')
    await settle()
    expect([driver.cancels.length, connection.inFlight]).toEqual([1, ['a']])
    connection.fail(new Error('cancelled'))
    await settle()
    // The cancel could still hit whatever is sent now.
    expect([connection.inFlight, pool.status().checkedout]).toEqual([[], 1])
    driver.cancels[0]!.settle()
    await settle()
    expect(connection.inFlight).toEqual(['b'])
    connection.answer()
    await next
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('is not cancelled where that could hit another: it runs to its end, and its result is dropped', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const { pool, driver } = set
    const connection = await warmUp(set)
    const controller = new AbortController()
    const failure = failureOf(pool.query('a', [], { signal: controller.signal }))
    const other = pool.query('b')
    controller.abort()
    await failure
    expect(driver.cancels).toEqual([])
    connection.answer(2)
    expect(await other).toBe('b by 1')
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('loses its connection if the server does not take note of the cancel in time', async () => {
    const set = pipelinedPool({ poolSize: 1, closeTimeoutMs: 500 })
    const { pool, driver } = set
    const connection = await warmUp(set)
    const failure = failureOf(pool.query('a', [], { timeoutMs: 10 }))
    await pass(10)
    await failure
    const next = pool.query('b')
    await pass(500)
    expect([connection.state, driver.connections.length]).toEqual(['closed', 2])
    driver.connections[1]!.answer()
    expect(await next).toBe('b by 2')
  })

  it('is not cancelled again on a connection that has been taken away: the invalidation has done that', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const { pool, driver } = set
    await warmUp(set)
    const controller = new AbortController()
    const failure = failureOf(pool.query('a', [], { signal: controller.signal }))
    const [record] = pool.records as Iterable<ConnectionRecord<PipelinedConnection>>
    const invalidated = record!.invalidate()
    controller.abort()
    expect(await failure).toMatchObject({ name: 'AbortError' })
    await invalidated
    await settle()
    expect([driver.cancels.length, pool.status().checkedout]).toEqual([1, 0])
  })

  it('is forgotten when its thread has died: what waits is not run, what has been sent is neither cancelled nor answered', async () => {
    const set = pipelinedPool({ poolSize: 1 })
    const { pool, driver, from } = set
    const sent = from(1, 'sent')
    await settle()
    const waiting = from(1, 'waiting')
    const other = from(2, 'other')
    sent.statement.drop()
    waiting.statement.drop()
    const [connection] = driver.connections
    expect(driver.cancels).toEqual([])
    connection!.answer()
    expect(connection!.inFlight).toEqual(['other'])
    connection!.answer()
    await other.outcome
    expect([await stateOf(sent.outcome), await stateOf(waiting.outcome)]).toEqual(['pending', 'pending'])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })
})
