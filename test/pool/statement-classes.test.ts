import { describe, expect, it, onTestFinished } from 'vitest'
import { AssertionError } from '../../src/base/errors.ts'
// It brings the sharing.
import '../../src/coordinator/share.ts'
import { AssertionPool } from '../../src/pool/assertion-pool.ts'
import { NullPool } from '../../src/pool/null-pool.ts'
import type { Pool } from '../../src/pool/pool.ts'
import { SingletonThreadPool } from '../../src/pool/singleton-thread-pool.ts'
import { StaticPool } from '../../src/pool/static-pool.ts'
import { countsOf, failureOf, settle, stateOf } from '../support/observe.ts'
import { type PipelinedConnection, PipelinedDriver } from '../support/pipelined-driver.ts'
import { startWorker } from '../support/start-worker.ts'

const options = (driver: PipelinedDriver) => ({ dialect: driver.dialect(), poolSize: 2 })

/** The connection that has something in flight. */
async function busy(driver: PipelinedDriver, text: string): Promise<PipelinedConnection> {
  await settle()
  return driver.connections.find(({ inFlight }) => inFlight.includes(text))!
}

describe('query() is checkout, query and close', () => {
  it('of a NullPool: a connection for each statement', async () => {
    const driver = new PipelinedDriver()
    const pool = new NullPool(options(driver))
    const answers = [pool.query('1'), pool.query('2')]
    const connections = [await busy(driver, '1'), await busy(driver, '2')]
    expect(connections[0]).not.toBe(connections[1])
    for (const connection of connections) connection.answer()
    await Promise.all(answers)
    await settle()
    expect([connections.map(({ state }) => state), pool.status().checkedout]).toEqual([['closed', 'closed'], 0])
  })

  it('of an AssertionPool: a second at the same time is an error', async () => {
    const driver = new PipelinedDriver()
    const pool = new AssertionPool(options(driver))
    const answer = pool.query('1')
    expect(await failureOf(pool.query('2'))).toBeInstanceOf(AssertionError)
    ;(await busy(driver, '1')).answer()
    await answer
    expect(pool.status().checkedout).toBe(0)
    const again = pool.query('3')
    ;(await busy(driver, '3')).answer()
    expect(await again).toBe('3 by 1')
  })

  it('of a StaticPool: on the connection of all, as that is, and never cancelled', async () => {
    const driver = new PipelinedDriver()
    const pool = new StaticPool(options(driver))
    const fairy = await pool.connect()
    const controller = new AbortController()
    const failure = failureOf(pool.query('1', [], { signal: controller.signal }))
    const connection = await busy(driver, '1')
    expect([connection.mode, countsOf(pool)[3]]).toEqual(['plain', 2])
    controller.abort()
    expect(await failure).toMatchObject({ name: 'AbortError' })
    expect(driver.cancels).toEqual([])
    connection.answer()
    await settle()
    expect(countsOf(pool)[3]).toBe(1)
    await fairy.close()
    await pool.dispose()
  })

  it('of a SingletonThreadPool: on the connection of the thread that asks', async () => {
    const driver = new PipelinedDriver()
    const pool: Pool<PipelinedConnection> = new SingletonThreadPool(options(driver))
    pool.share()
    onTestFinished(() => pool[Symbol.asyncDispose]())
    const worker = startWorker()
    const there = worker.run(async ({ attach }) => (await attach()).query('there'))
    while ((await busy(driver, 'there')) === undefined) await settle()
    const here = pool.query('here')
    const [hers, ours] = [await busy(driver, 'there'), await busy(driver, 'here')]
    expect(hers).not.toBe(ours)
    hers!.answer()
    ours!.answer()
    expect([await there, await here]).toEqual([`there by ${hers!.number}`, `here by ${ours!.number}`])
  })

  it('and gives up waiting for the checkout with its caller', async () => {
    const driver = new PipelinedDriver()
    driver.opening = 'held'
    const pool = new NullPool(options(driver))
    const controller = new AbortController()
    const failure = failureOf(pool.query('1', [], { signal: controller.signal }))
    await settle()
    controller.abort()
    expect(await failure).toMatchObject({ name: 'AbortError' })
    driver.letOpen()
    await settle()
    expect([driver.connections[0]!.inFlight, driver.connections[0]!.state, pool.status().checkedout]).toEqual([
      [],
      'closed',
      0,
    ])
    driver.opening = new Error('no server')
    await expect(pool.query('2')).rejects.toThrow('no server')
  })

  it('with the deadline of the pool for the checkout only', async () => {
    const driver = new PipelinedDriver()
    driver.opening = 'held'
    const pool = new NullPool({ ...options(driver), timeoutMs: 20 })
    expect(await failureOf(pool.query('1'))).toMatchObject({ phase: 'connect', timeoutMs: 20 })
    driver.opening = 'ok'
    const answer = pool.query('2')
    const connection = await busy(driver, '2')
    driver.opening = 'held'
    // As long as that takes, the other runs.
    expect(await failureOf(pool.query('3'))).toMatchObject({ phase: 'connect', timeoutMs: 20 })
    expect(await stateOf(answer)).toBe('pending')
    connection.answer()
    expect(await answer).toBe('2 by 1')
  })
})
