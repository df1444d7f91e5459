import { describe, expect, it } from 'vitest'
import type { MaybePromise } from '../../src/base/maybe-async.ts'
import type { Logger } from '../../src/observe/logger.ts'
import type { PoolStatus } from '../../src/observe/status.ts'
import { NullPool } from '../../src/pool/null-pool.ts'
import { Pool } from '../../src/pool/pool.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { CheckoutRequest } from '../../src/pool/request.ts'
import { type GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { watchWarnings } from '../support/observe.ts'
import { places } from '../support/places.ts'

/** A logger that keeps everything it is told. */
class Journal implements Logger {
  readonly lines: string[] = []
  debug = (message: string): number => this.lines.push(`debug ${message}`)
  info = (message: string): number => this.lines.push(`info ${message}`)
  warn = (message: string): number => this.lines.push(`warn ${message}`)
  error = (message: string): number => this.lines.push(`error ${message}`)
}

describe.each(places)('$where', place => {
  it.each([
    [undefined, 'fairypool.QueuePool: '],
    ['orders', 'fairypool.QueuePool.orders: '],
  ])('the log names the pool by its class, and by loggingName %s (14)', async (loggingName, name) => {
    const logger = new Journal()
    const { user } = await place.visit({ logger, echo: 'debug', ...(loggingName === undefined ? {} : { loggingName }) })
    await (await user.connect()).invalidate()
    expect(logger.lines.length).toBeGreaterThan(3)
    for (const line of logger.lines) expect(line.slice(line.indexOf(' ') + 1)).toMatch(new RegExp(`^${name}\\S`))
  })

  it('echo is an option, copied by recreate; what is assigned later changes nothing, for whom it may be (15, 141)', async () => {
    const logger = new Journal()
    const { pool, user } = await place.visit({ logger, poolSize: 1 })
    const held = await user.connect()
    Object.assign(pool, { echo: 'debug' })
    await held.close()
    await (await user.connect()).invalidate(new Error('bad'))
    expect(logger.lines).toEqual([])

    const loud = await place.visit({ logger, echo: true, poolSize: 1 })
    Object.assign(loud.pool, { echo: false })
    const other = await place.userOf(loud.pool.recreate())
    logger.lines.length = 0
    await (await other.connect()).invalidate(new Error('bad'))
    expect(logger.lines).toEqual([expect.stringMatching(/^info .*Invalidating connection 1 .*bad/)])
  })

  it('objects of old may listen, with any of four methods, and are warned about when they are passed (19)', async () => {
    const warnings = watchWarnings()
    const { user: silent } = await place.visit({ events: [] })
    await silent.connect()
    expect(warnings).toEqual([])

    const said: string[] = []
    class Listener {
      readonly name = 'an object'
      connect(connection: GatedConnection): void {
        said.push(`${this.name}: connect ${connection.number}`)
      }
      checkin(connection?: GatedConnection): void {
        said.push(`${this.name}: checkin ${connection?.number}`)
      }
    }
    const { pool, user } = await place.visit({ listeners: [new Listener(), {}] })
    pool.addListener({
      firstConnect: ({ number }) => said.push(`first ${number}`),
      checkout: ({ number }) => said.push(`checkout ${number}`),
    })
    expect(warnings).toEqual(Array(3).fill('FAIRYPOOL_DEPRECATED'))
    await (await user.connect()).close()
    expect(said).toEqual(['first 1', 'an object: connect 1', 'checkout 1', 'an object: checkin 1'])

    const other = await place.userOf(pool.recreate())
    said.length = 0
    await (await other.connect()).close()
    expect(said).toEqual(['first 2', 'an object: connect 2', 'checkout 2', 'an object: checkin 2'])
  })
})

describe('the abstract pool', () => {
  /** The least that a subclass has to say: a connection for each caller, kept by nobody. */
  class OwnPool extends Pool<GatedConnection> {
    constructor(driver: GatedDriver) {
      super({ dialect: driver.dialect() }, () => 'growing')
    }
    override status(): PoolStatus {
      return NullPool.prototype.status.call(this)
    }
    override async dispose(): Promise<void> {}
    protected override doGet({ borrower }: CheckoutRequest<GatedConnection>): ConnectionRecord<GatedConnection> {
      return this.records.create(borrower.session)!
    }
    protected override doReturnConnection(record: ConnectionRecord<GatedConnection>): MaybePromise<void> {
      return this.retire(record)
    }
  }

  it('does all the rest for a subclass of the user: events, reset, invalidation, counts (16)', async () => {
    const driver = new GatedDriver()
    const pool = new OwnPool(driver)
    driver.listen(pool)
    const fairy = await pool.connect()
    expect(pool.status().checkedout).toBe(1)
    await fairy.close()
    await pool.use(fairy => fairy.invalidate(new Error('bad')))
    expect(driver.take()).toEqual([
      ...['open 1', 'on firstConnect 1', 'on connect 1', 'on checkout 1'],
      ...['on reset 1', 'rollback 1', 'on checkin 1', 'on close 1', 'close 1'],
      ...['open 2', 'on connect 2', 'on checkout 2', 'on invalidate 2 (bad)', 'on close 2', 'close 2', 'on checkin -'],
    ])
    expect(pool.status().checkedout).toBe(0)
  })
})

it('every resetOnReturn has one meaning, and any other is refused by name (8)', () => {
  const meanings = [true, 'rollback', 'commit', false, null, 'none'] as const
  const modes = meanings.map(resetOnReturn => gatedPool({ resetOnReturn }).pool.settings.resetOnReturn)
  expect(modes).toEqual(['rollback', 'rollback', 'commit', 'none', 'none', 'none'])
  for (const resetOnReturn of [1, 0, '', 'ROLLBACK', {}]) {
    expect(() => gatedPool({ resetOnReturn: resetOnReturn as never })).toThrow(/resetOnReturn/)
  }
})
