import { describe, expect, it } from 'vitest'
import { InvalidRequestError } from '../../src/base/errors.ts'
import { PoolStatus } from '../../src/observe/status.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import { Pool } from '../../src/pool/pool.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { CheckoutRequest } from '../../src/pool/request.ts'
import { slotFlag } from '../../src/slots/layout.ts'
import { type GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { failureOf } from '../support/observe.ts'
import { age, failing, type Place, places } from '../support/places.ts'
import type { PoolUser } from '../support/pool-user.ts'

/** A user's own pool: one record, whose connection it asks for by itself. */
class OwnPool extends Pool<GatedConnection> {
  /** What a checkout does with the record that it has claimed. */
  claimed: (record: ConnectionRecord<GatedConnection>) => unknown = record => record.getConnection()

  constructor(options: PoolOptions<GatedConnection>) {
    super(options, () => 1)
  }

  get record(): ConnectionRecord<GatedConnection> {
    return this.records.at(0)!
  }

  override status(): PoolStatus {
    const checkedin = this.records.home()
    return new PoolStatus({
      poolSize: 1,
      checkedin,
      overflow: 0,
      checkedout: this.records.size - checkedin,
      waiting: 0,
    })
  }

  override async dispose(): Promise<void> {}

  protected override async doGet({ borrower }: CheckoutRequest<GatedConnection>) {
    const record = this.records.at(0) ?? this.records.create(borrower.session)!
    if (record.state === 'empty') record.become('opening', borrower.session)
    if (record.state === 'idle') record.become('leased', borrower.session)
    await this.claimed(record)
    return record
  }

  protected override doReturnConnection(record: ConnectionRecord<GatedConnection>): void {
    this.keep(record)
  }
}

interface Own {
  readonly pool: OwnPool
  readonly driver: GatedDriver
  readonly user: PoolUser
}

async function own({ userOf }: Place, options: PoolOptions<GatedConnection> = {}): Promise<Own> {
  const driver = new GatedDriver()
  const pool = new OwnPool({ dialect: driver.dialect(), ...options })
  const usual = pool as unknown as QueuePool<GatedConnection>
  driver.listen(usual, 'connect', 'close', 'invalidate')
  return { pool, driver, user: await userOf(usual) }
}

/** Its connection has been lent once, and is home, idle. */
async function ownIdle(place: Place, options: PoolOptions<GatedConnection> = {}): Promise<Own> {
  const all = await own(place, options)
  await (await all.user.connect()).close()
  await expect.poll(() => all.pool.record.state).toBe('idle')
  all.driver.take()
  return all
}

describe.each(places)('getConnection() of a record that has been claimed, $where', place => {
  it('opens the connection of a new one, which has none, and then gives the same (104, 106)', async () => {
    const { pool, driver, user } = await own(place)
    const seen: unknown[] = []
    pool.claimed = async record => {
      seen.push(record.connection, record.state)
      const connection = await record.getConnection()
      seen.push(connection.number, record.connection === connection, record.state)
      seen.push((await record.getConnection()) === connection)
    }
    expect((await user.connect()).number).toBe(1)
    expect(seen).toEqual([undefined, 'opening', 1, true, 'leased', true])
    expect(driver.take()).toEqual(['open 1', 'on connect 1'])
  })

  it('gives what is there as long as it is not stale, without a word to the driver (106)', async () => {
    const { driver, user } = await ownIdle(place, { recycleMs: 60_000 })
    expect((await user.connect()).number).toBe(1)
    expect(driver.take()).toEqual([])
  })

  it.each<[string, (pool: OwnPool) => unknown]>([
    ['age', pool => age(pool as unknown as QueuePool<GatedConnection>, 61_000)],
    ['an invalidation of the pool', pool => pool.invalidate()],
    ['a soft mark', pool => pool.record.invalidate(undefined, { soft: true })],
    ['the loss of its connection', pool => pool.slots.mark(0, slotFlag.lost)],
  ])('replaces what is stale by %s: close, open, connect, with no info (106, 110)', async (_why, spoil) => {
    const { pool, driver, user } = await ownIdle(place, { recycleMs: 60_000 })
    pool.record.info.set('colour', 'red')
    await spoil(pool)
    expect((await user.connect()).number).toBe(2)
    expect(driver.take()).toEqual(['on close 1', 'close 1', 'open 2', 'on connect 2'])
    expect(pool.record.info.size).toBe(0)
  })

  it('opens another where the connection was invalidated, in the same record (111)', async () => {
    const { pool, driver, user } = await ownIdle(place)
    const { record } = pool
    await record.invalidate()
    driver.take()
    expect([(await user.connect()).number, pool.record === record]).toEqual([2, true])
    expect(driver.take()).toEqual(['open 2', 'on connect 2'])
  })

  it('replaces at once what is condemned while it is opened for a new one, and not for an old one (108, 109)', async () => {
    const { pool, driver, user } = await own(place)
    const given: number[] = []
    pool.claimed = async record => given.push((await record.getConnection()).number)
    pool.on('connect', ({ number }) => void (number % 2 === 1 && pool.invalidate()))
    const held = await user.connect()
    const replaced = ['open 1', 'on connect 1', 'on close 1', 'close 1', 'open 2', 'on connect 2']
    expect([given, driver.take()]).toEqual([[2], replaced])
    await held.invalidate()
    // The pool looks once more before it lends.
    expect([(await user.connect()).number, given]).toEqual([4, [2, 3]])
  })

  it('fails as the creator does, and leaves the place free (104, 278)', async () => {
    const { driver, user } = await own(place)
    driver.next('open', 'fails')
    expect(await failing(user.connect())).toMatchObject({ message: 'open 1 fails' })
    expect((await user.connect()).number).toBe(2)
  })

  it('leaves alone what is lent, however old: only a checkout replaces (159)', async () => {
    const { pool, driver, user } = await own(place)
    const held = await user.connect()
    await pool.invalidate()
    expect((await pool.record.getConnection()).number).toBe(1)
    expect(await held.isValid()).toBe(true)
    await held.close()
    await expect.poll(() => pool.record.state).toBe('idle')
    expect((await user.connect()).number).toBe(2)
    expect(driver.open).toBe(1)
  })

  it('is refused for one that is at home and has nothing good to give: nobody has claimed it (104)', async () => {
    const { pool, driver } = await ownIdle(place)
    expect((await pool.record.getConnection()).number).toBe(1)
    await pool.invalidate()
    expect(await failureOf(pool.record.getConnection())).toBeInstanceOf(InvalidRequestError)
    await pool.record.invalidate()
    expect(await failureOf(pool.record.getConnection())).toBeInstanceOf(InvalidRequestError)
    expect([driver.opened, pool.record.state]).toEqual([1, 'empty'])
  })
})
