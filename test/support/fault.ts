import { setImmediate as turn } from 'node:timers/promises'
import type { EventName } from '../../src/observe/event-names.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { GatedConnection, GatedDriver } from './gated-driver.ts'

/** Where something can go wrong: in the driver, in a listener to an event, in a finalize callback. */
export type Spot = 'creator' | 'ping' | 'rollback' | 'driver close' | 'terminate' | 'finalize callback' | EventName

/** How it goes wrong. */
export type Way = 'throws' | 'rejects' | 'throws nothing' | 'hangs'

export class FaultError extends Error {
  override readonly name = 'FaultError'
}

/** Makes one spot of a gated pool go wrong, once. */
export class Fault {
  readonly #armed = new Map<Spot, Way>()
  #struck = 0

  arm(spot: Spot, way: Way): void {
    this.#armed.set(spot, way)
  }

  /** A spot is passed: undefined, unless it is to go wrong now. */
  strike(spot: Spot): Promise<never> | undefined {
    const way = this.#armed.get(spot)
    if (way === undefined) return undefined
    this.#armed.delete(spot)
    this.#struck++
    const error = way === 'throws nothing' ? undefined : new FaultError(`${spot} fails`)
    if (way === 'rejects') return Promise.reject(error)
    if (way === 'hangs') return new Promise(() => {})
    throw error
  }

  /** Settles once so many spots have gone wrong. */
  async struck(count: number): Promise<void> {
    while (this.#struck < count) await turn()
  }

  /** A driver that is asked to close counts as closed, whatever it does about it. */
  options(driver: GatedDriver): PoolOptions<GatedConnection> {
    const gone = (connection: GatedConnection): void => {
      connection.state = 'closed'
    }
    return {
      creator: record => this.strike('creator') ?? driver.creator(record, { signal: new AbortController().signal }),
      dialect: driver.dialect({
        ping: () => this.strike('ping') ?? true,
        rollback: () => this.strike('rollback'),
        close: connection => {
          gone(connection)
          return this.strike('driver close')
        },
        terminate: connection => {
          gone(connection)
          return this.strike('terminate') as unknown as undefined
        },
      }),
    }
  }

  /** Listens where a listener is to go wrong. */
  listen(pool: QueuePool<GatedConnection>, event: EventName): void {
    pool.on(event, () => this.strike(event))
  }
}
