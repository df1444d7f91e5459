import type { Client } from 'pg'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { ConnectOptions, PoolClient } from '../../src/worker/pool-client.ts'
import { type Excuse, excuseOf, Leave } from './excuse.ts'
import type { Random } from './random.ts'
import type { Tally } from './tally.ts'

/** What a pool and a pool's client have in common. */
export type SoakedPool = Pick<PoolClient<Client>, 'connect' | 'query'> & { status(): unknown }

/** One kind of work. What it asks carries an id, and it looks for that in every answer. */
export interface Chore {
  readonly name: string
  /** How often it is done, against the others. */
  readonly weight: number
  run(scene: Scene): Promise<void>
}

/** Ids per scene: what one chore asks may have as many of its own. */
export const idsEach = 64

/** An answer that is not that to the question. */
export class WrongAnswer extends Error {}

/** One piece of work under way: where, by which ids, with which luck. */
export class Scene {
  readonly pool: SoakedPool
  readonly id: number
  readonly random: Random
  readonly tally: Tally
  readonly #since = Date.now()

  constructor(pool: SoakedPool, id: number, random: Random, tally: Tally) {
    this.pool = pool
    this.id = id
    this.random = random
    this.tally = tally
  }

  /** @throws {WrongAnswer} they are not the same, as JSON. */
  same(got: unknown, expected: unknown): void {
    const [left, right] = [got, expected].map(value => JSON.stringify(value) ?? 'undefined') as [string, string]
    if (left !== right)
      throw new WrongAnswer(`${this.id} got ${left.slice(0, 500)} where it expected ${right.slice(0, 500)}`)
  }

  /** A connection for as long as the work takes. Some close more than once. */
  async lent<T>(work: (conn: Fairy<Client>) => Promise<T>, options?: ConnectOptions): Promise<T> {
    const conn = await this.pool.connect(options)
    try {
      return await work(conn)
    } finally {
      const closed = conn.close()
      if (this.random.chance(0.1)) await conn.close()
      await closed
    }
  }

  /** A signal that fires at some moment within so many milliseconds: at once, in this turn of the loop, or later. */
  leaving(withinMs: number): AbortSignal {
    const controller = new AbortController()
    const leave = (): void => controller.abort(new Leave(this.id))
    const when = this.random.below(4)
    if (when === 0) leave()
    else if (when === 1) queueMicrotask(leave)
    else if (when === 2) setImmediate(leave)
    else setTimeout(leave, this.random.next() * withinMs)
    return controller.signal
  }

  /** What comes of it; undefined where it has failed for one of these reasons, or for one that may befall everybody. */
  async forgiving<T>(promise: Promise<T>, ...reasons: readonly Excuse[]): Promise<T | undefined> {
    try {
      return await promise
    } catch (error) {
      this.forgive(error, reasons)
      return undefined
    }
  }

  /** Throws what there is no excuse for. */
  forgive(error: unknown, reasons: readonly Excuse[] = []): void {
    const excuse = excuseOf(error, this.id)
    if (excuse === undefined || !(reasons.includes(excuse) || this.#mayBefallAnybody(excuse))) throw error
    this.tally.add(excuse)
  }

  #mayBefallAnybody(excuse: Excuse): boolean {
    if (excuse === 'waited') return true
    return (excuse === 'lost' || excuse === 'closed') && this.tally.struckSince(this.#since)
  }
}
