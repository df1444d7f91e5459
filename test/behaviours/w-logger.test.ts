import { threadId } from 'node:worker_threads'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ArgumentError } from '../../src/base/errors.ts'
import { NullPool } from '../../src/pool/null-pool.ts'
import { QueuePool } from '../../src/pool/queue-pool.ts'
import { type GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { LogBook } from '../support/log-book.ts'
import { collectUntil, settle, watchWarnings } from '../support/observe.ts'
import { firstRecord, places } from '../support/places.ts'

describe('the log of a pool', () => {
  it.each([
    ["of the pool's class", {}, 'fairypool.QueuePool: '],
    ['of the class, and its own', { loggingName: 'orders' }, 'fairypool.QueuePool.orders: '],
  ])('has the name %s (14, 296)', async (_what, options, name) => {
    const book = new LogBook()
    const { pool } = gatedPool({ echo: 'debug', logger: book, ...options })
    await (await pool.connect()).close()
    await pool.recreate().dispose()
    expect(book.lines.length).toBeGreaterThan(5)
    for (const line of book.lines) expect(line.replace(/^\w+: /, '').slice(0, name.length)).toBe(name)
  })

  it('has the name of the class that the user has made (14, 296)', async () => {
    class OwnPool extends NullPool<GatedConnection> {}
    const [book, driver] = [new LogBook(), new GatedDriver()]
    await new OwnPool({ dialect: driver.dialect(), echo: 'debug', logger: book, loggingName: 'x' }).connect()
    expect(book.lines[0]).toBe('debug: fairypool.OwnPool.x: Created new connection 1')
  })

  it.each([
    [false, ['error']],
    [true, ['error', 'info']],
    ['debug', ['debug', 'error', 'info']],
    [undefined, ['error']],
  ] as const)('has with echo %j the levels %j (296)', async (echo, levels) => {
    const book = new LogBook()
    const { pool, driver } = gatedPool({ logger: book, ...(echo === undefined ? {} : { echo }) })
    driver.next('close', 'fails')
    await (await pool.connect()).invalidate()
    await (await pool.connect()).close()
    expect([...new Set(book.lines.map(line => line.split(':')[0]))].sort()).toEqual(levels)
  })

  it.each([['all'], [1], [null]])('has no echo %j: refused (296)', echo => {
    expect(() => gatedPool({ echo: echo as never })).toThrow(ArgumentError)
    expect(() => gatedPool({ echo: echo as never })).toThrow(/echo must be one of true, false, 'debug'/)
  })

  it('is written to the console unless a logger is given, at its levels, errors with what they are (296)', async () => {
    const seen: unknown[][] = []
    for (const level of ['debug', 'info', 'warn', 'error'] as const) {
      const spy = vi.spyOn(console, level).mockImplementation((...args: unknown[]) => void seen.push([level, ...args]))
      onTestFinished(() => spy.mockRestore())
    }
    const driver = new GatedDriver()
    const pool = new QueuePool<GatedConnection>({ dialect: driver.dialect(), echo: 'debug' })
    driver.next('close', 'fails')
    await (await pool.connect()).invalidate()
    expect(seen).toEqual([
      ['debug', 'fairypool.QueuePool: Created new connection 1'],
      ['debug', `fairypool.QueuePool: connection 1 checked out by thread ${threadId}`],
      ['info', 'fairypool.QueuePool: Invalidating connection 1'],
      ['debug', 'fairypool.QueuePool: Terminating connection 1'],
      ['error', 'fairypool.QueuePool: closing a connection failed.', expect.objectContaining({ name: 'GateError' })],
    ])
  })

  it('gives a logger of the shape of pino the error first, and the text after it (296)', async () => {
    const seen: unknown[][] = []
    const at =
      (level: string) =>
      (...args: unknown[]) =>
        void seen.push([level, ...args])
    const logger = { bindings: () => ({}), debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
    const { pool, driver } = gatedPool({ logger, echo: true })
    driver.next('close', 'fails')
    await (await pool.connect()).invalidate()
    expect(seen).toEqual([
      ['info', 'fairypool.QueuePool: Invalidating connection 1'],
      [
        'error',
        { err: expect.objectContaining({ name: 'GateError' }) },
        'fairypool.QueuePool: closing a connection failed.',
      ],
    ])
  })

  it('tells of the dispose of a QueuePool only, with its counts, at info (298)', async () => {
    const lines: string[] = []
    for (const Class of [QueuePool, NullPool]) {
      const [book, driver] = [new LogBook(), new GatedDriver()]
      const pool = new Class<GatedConnection>({ dialect: driver.dialect(), echo: true, logger: book })
      await pool.connect()
      await pool.dispose()
      lines.push(...book.take())
    }
    const counts = 'poolSize 5, checkedin 0, overflow -4, checkedout 1, waiting 0'
    expect(lines).toEqual([`info: Pool disposed. ${counts}`])
  })

  it('makes a message only where it is told (304)', async () => {
    let reads = 0
    const error = Object.defineProperty(new Error(), 'message', { get: () => `read ${++reads}` })
    const messages: string[] = []
    for (const echo of [false, true] as const) {
      const book = new LogBook()
      const { pool } = gatedPool({ echo, logger: book })
      await (await pool.connect()).invalidate(error)
      messages.push(...book.take())
    }
    expect([reads, messages]).toEqual([1, ['info: Invalidating connection 1 (reason: Error: read 1)']])
  })

  it('is told to a logger as its methods, and a logger that fails costs nobody anything (296)', async () => {
    let calls = 0
    class Broken {
      readonly #count = (): never => {
        calls++
        throw new Error('The log is full')
      }
      debug(): void {
        this.#count()
      }
      info = this.debug
      warn = this.debug
      error = this.debug
    }
    const { pool } = gatedPool({ logger: new Broken(), echo: 'debug', poolSize: 1, maxOverflow: 0 })
    await (await pool.connect()).close()
    await (await pool.connect()).invalidate()
    expect((await pool.connect({ timeoutMs: 0 })).number).toBe(2)
    expect(calls).toBeGreaterThan(5)
  })

  it('stays as it was at construction; a recreated pool has the same, and its making is told (15, 141, 298)', async () => {
    const book = new LogBook()
    const { pool } = gatedPool({ logger: book, echo: true, loggingName: 'x' })
    const fairy = await pool.connect()
    Object.assign(pool, { echo: 'debug' })
    await fairy.close()
    await (await pool.connect()).close()
    expect(book.take()).toEqual([])
    const other = pool.recreate()
    expect(other.settings).toMatchObject({ echo: true, loggingName: 'x' })
    await (await other.connect()).invalidate()
    expect(book.take()).toEqual([
      'info: fairypool.QueuePool.x: Pool recreating',
      'info: fairypool.QueuePool.x: Invalidating connection 1',
    ])
  })
})

describe('the warnings of a pool', () => {
  it('are no lines of its log: a double checkin, a dead fairy, an agent that is not active (300)', async () => {
    const codes = watchWarnings()
    const { pool, logger } = gatedPool({ poolSize: 1 })
    const fairy = await pool.connect()
    const agent = { isActive: false, rollback() {}, commit() {} }
    fairy.resetAgent = agent
    const record = firstRecord(pool)
    await fairy.close()
    await fairy.invalidate()
    await record.checkin()
    expect(codes).toEqual(['FAIRYPOOL_RESET_AGENT', 'FAIRYPOOL_DEAD_FAIRY', 'FAIRYPOOL_DOUBLE_CHECKIN'])
    expect(logger.lines).toEqual([])
  })

  it('do not include a fairy that was lost, unless checkouts are traced: then it is told where it was made (300)', async () => {
    const codes = watchWarnings()
    for (const traceCheckouts of [false, true]) {
      const { pool } = gatedPool({ traceCheckouts })
      await pool.connect()
      await collectUntil(() => pool.status().checkedin === 1)
      await settle()
    }
    expect(codes).toEqual(['FAIRYPOOL_LOST_FAIRY'])
  })

  it('of a dead fairy are given in the thread of its user (300)', async () => {
    const { user } = await places[1]!.visit()
    const held = await user.connect()
    await held.close()
    await held.invalidate()
    expect(await user.warnings()).toEqual(['FAIRYPOOL_DEAD_FAIRY'])
  })
})
