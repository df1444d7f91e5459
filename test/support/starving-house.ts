import { ConnectionFairy } from '../../src/fairies/fairy.ts'
import type { Checkout } from '../../src/pool/checkout.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { CheckoutRequest } from '../../src/pool/request.ts'
import type { Collection, Starvation } from '../../src/pool/starvation.ts'
import { pass } from './fake-time.ts'
import type { GatedConnection, GatedDriver } from './gated-driver.ts'
import { type GatedFairy, gatedPool } from './gated-pool.ts'

const nothing: Collection = { reclaimed: 0, pauseMs: 0 }

/** A pool of places for a few threads, of which this test plays all: who is asked stands in `asked`, by session. */
export class House {
  readonly pool: QueuePool<GatedConnection>
  readonly driver: GatedDriver
  readonly starvation: Starvation
  readonly asked: number[] = []

  constructor(poolSize: number, options: PoolOptions<GatedConnection> = {}) {
    const { pool, driver } = gatedPool(driver => ({
      dialect: driver.dialect({ inTransaction: () => false }),
      poolSize,
      maxOverflow: 0,
      timeoutMs: null,
      collectOnStarvation: true,
      ...options,
    }))
    this.pool = pool
    this.driver = driver
    this.starvation = pool.starvation!
    for (const session of [0, 1, 2, 3]) {
      if (session > 0) pool.slots.sessions.open(session, 100 + session)
      this.starvation.join({ session, threadId: 100 + session }, () => this.asked.push(session))
    }
  }

  /** This thread gets a connection; nobody waits. */
  async lend(session: number): Promise<Checkout<GatedConnection>> {
    const request = new CheckoutRequest<GatedConnection>(
      { session, threadId: 100 + session },
      { timeoutMs: null, fairyOver: checkout => ConnectionFairy.temporary(checkout) },
      () => new Error('late'),
    )
    return this.pool.checkout(request)
  }

  async lendTo(...sessions: readonly number[]): Promise<Checkout<GatedConnection>[]> {
    const lent: Checkout<GatedConnection>[] = []
    for (const session of sessions) lent.push(await this.lend(session))
    return lent
  }

  /** A caller of this thread, who waits for ever. */
  wait(): Promise<GatedFairy> {
    return this.pool.connect()
  }

  /** Who has been asked since, after so many milliseconds, look by look. */
  async after(ms: number): Promise<number[]> {
    for (let left = ms; left > 0; left -= 20) await pass(Math.min(20, left))
    return this.asked.splice(0)
  }

  answer(session: number, collection: Collection = nothing): void {
    this.starvation.collected(session, collection)
  }
}
