import { setImmediate as turn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'
import { DisconnectionError } from '../../src/base/errors.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { heldBy } from '../support/held-by.ts'
import { failing } from '../support/places.ts'
import type { Holding, PoolUser } from '../support/pool-user.ts'
import type { TestWorker } from '../support/test-worker.ts'
import { UserHere } from '../support/user-here.ts'
import { UserThere } from '../support/user-there.ts'
import { calm, type Mood, type SlowStep } from './driver-model.ts'
import type { Settings, Thread } from './parts.ts'
import type { PoolView, View, WorldModel } from './world-model.ts'

interface RealPool {
  readonly pool: QueuePool<GatedConnection>
  readonly users: Readonly<Record<Thread, PoolUser>>
}

interface RealCaller {
  readonly pool: RealPool
  readonly thread: Thread
  readonly controller: AbortController
  holding: Holding | undefined
  failure: string | undefined
  /** A fairy that has been seen dead is not looked at again: that costs a round trip. */
  isOver: boolean
}

/** How long reality may take to come to what it should; after a first disagreement less, as the same is seen again and again then. */
let patienceMs = 10_000

let names = 0

/** How many more pools threads may have recreated in this process: 1000 is the most, and the rest of a long walk is done by the owner. */
let recreationsLeft = 900

/** A walk as it is: real pools over a gated driver, shared with a real worker. */
export class World {
  readonly driver: GatedDriver
  readonly pools: RealPool[] = []
  readonly callers: RealCaller[] = []
  /** The steps so far, with what each has said. */
  readonly story: string[] = []
  readonly #settings: Settings
  readonly #worker: TestWorker
  readonly #failures: unknown[] = []
  #standings: readonly string[] = []
  readonly #unsettled = { close: 0, other: 0 }
  #mood = calm

  private constructor(settings: Settings, worker: TestWorker) {
    this.#settings = settings
    this.#worker = worker
    const { path, ...options } = settings
    const { pool, driver } = gatedPool(driver => ({
      ...options,
      timeoutMs: null,
      connectTimeoutMs: 60_000,
      resetTimeoutMs: 60_000,
      dialect: driver.dialect({
        ping: async ({ number }) => {
          await driver.pass('ping', number)
          return this.#mood.ping !== 'dead'
        },
        ...(path === 'clean' ? { inTransaction: () => false } : {}),
      }),
    }))
    this.driver = driver
    if (path === 'heard') this.#listen(pool)
    this.#first = pool
  }
  readonly #first: QueuePool<GatedConnection>

  static async begin(settings: Settings, worker: TestWorker): Promise<World> {
    const world = new World(settings, worker)
    world.#first.share({ name: `walk ${++names}` })
    await world.#add(world.#first)
    return world
  }

  /** Nothing of it is left. */
  leave(): void {
    for (const { pool } of this.pools) pool.unshare()
  }

  begin(mood: Mood, label: string): void {
    this.story.push(label)
    this.#mood = mood
    this.driver.set('open', mood.open)
    this.driver.set('rollback', mood.reset)
    this.driver.set('commit', mood.reset)
    this.driver.set('ping', mood.ping === 'dead' ? 'ok' : mood.ping)
    this.driver.set('close', mood.close)
    this.driver.take()
  }

  connect(number: number, thread: Thread, patience: 'waits' | 'now'): void {
    const pool = this.pools[number]!
    const controller = new AbortController()
    const caller: RealCaller = { pool, thread, controller, holding: undefined, failure: undefined, isOver: false }
    this.callers.push(caller)
    const options = patience === 'now' ? { timeoutMs: 0 } : {}
    pool.users[thread].connect({ signal: controller.signal, ...options }).then(
      holding => {
        caller.holding = holding
      },
      async (error: unknown) => {
        const failure = await failing(Promise.reject(error))
        caller.failure = failure.class === 'Error' || failure.class === 'GateError' ? failure.message : failure.class
      },
    )
  }

  /** Something that must not fail, and must end with its step; but a close waits for its reset, which may be slow. */
  do(work: Promise<unknown>, kind: 'close' | 'other' = 'other'): void {
    this.#unsettled[kind]++
    work
      .catch(error => this.#failures.push(error))
      .finally(() => {
        this.#unsettled[kind]--
      })
  }

  async recreate(number: number, asked: Thread): Promise<void> {
    const { pool, users } = this.pools[number]!
    const thread = asked === 'there' && recreationsLeft-- > 0 ? 'there' : 'here'
    let born: QueuePool<GatedConnection> | undefined
    const recreate = pool.recreate.bind(pool)
    pool.recreate = () => {
      born = recreate()
      return born as never
    }
    await users[thread].do(async pool => void (await pool.recreate()))
    if (thread === 'here') born!.share({ name: `walk ${++names}` })
    await this.#add(born!)
  }

  release(step: SlowStep, error: Error | undefined): void {
    const { resetOnReturn } = this.#settings
    const mode = resetOnReturn === 'commit' ? 'commit' : 'rollback'
    this.do(this.driver.release(step === 'reset' ? mode : step, error))
  }

  /** Whose connection has this number. */
  recordOf(connection: number): ConnectionRecord<GatedConnection> {
    const records = this.pools.flatMap(({ pool }) => [...pool.records])
    return records.find(record => record.connection?.number === connection)!
  }

  /**
   * All that was begun has been done, but for what the driver is slow at, and has been heard of everywhere. Twice there and
   * back: what the worker had said, what it was answered, and what it said to that.
   */
  async settle(): Promise<void> {
    const deadline = performance.now() + patienceMs
    do {
      await this.#thereAndBack()
      const [standings] = await Promise.all([Promise.all(this.callers.map(standing)), this.#thereAndBack()])
      this.#standings = standings
    } while (this.#isBusy && performance.now() < deadline)
  }

  /**
   * All that had been said before on any port has been heard, on either side. A thread may look at its ports in any order, so
   * this takes one turn more than one port would; what is answered leaves in a turn of its own.
   */
  async #thereAndBack(): Promise<void> {
    await this.#worker.run(async () => {
      for (let turns = 0; turns < 2; turns++) await new Promise(resolve => setImmediate(resolve))
    })
    for (let turns = 0; turns < 3; turns++) await turn()
  }

  /** More is under way than closes whose resets are slow. */
  get #isBusy(): boolean {
    return this.#unsettled.other > 0 || this.#unsettled.close > this.#slowResets
  }

  get #slowResets(): number {
    return this.driver.waitingAt('rollback') + this.driver.waitingAt('commit')
  }

  /** How many places a thread uses, of those of one pool. */
  used(number: number, thread: Thread): number {
    return this.#viewOf(this.pools[number]!)[thread]
  }

  /** @throws model and reality differ, and go on differing. */
  async agree(model: WorldModel): Promise<void> {
    const deadline = performance.now() + patienceMs
    for (;;) {
      const real = this.#view
      const foreseen = model.view(real.log)
      if (isDeepStrictEqual(real, foreseen)) break
      if (performance.now() > deadline) {
        patienceMs = 300
        expect(real, `After ${this.story.join('\n      ')}\n`).toEqual(foreseen)
      }
      await this.settle()
    }
    this.story.push(`  ${this.driver.log.join(', ')}`)
  }

  /** Notes all events, and then has them go as the present step has it. */
  #listen(pool: QueuePool<GatedConnection>): void {
    this.driver.listen(pool)
    pool.on('connect', () => {
      if (this.#mood.listeners === 'refuse a new one') throw new Error('refused')
    })
    pool.on('checkout', () => {
      if (this.#mood.listeners === 'refuse one') throw new Error('refused')
      if (this.#mood.listeners === 'find one dead') throw new DisconnectionError('gone')
    })
  }

  async #add(pool: QueuePool<GatedConnection>): Promise<void> {
    const there = await UserThere.of(pool, this.#worker)
    this.pools.push({ pool, users: { here: new UserHere(pool), there } })
  }

  get #view(): View {
    const { driver } = this
    const open = driver.connections.filter(({ state }) => state === 'open').map(({ number }) => number)
    return {
      callers: this.#standings,
      pools: this.pools.map(each => this.#viewOf(each)),
      open: open.sort((a, b) => a - b),
      held: { open: driver.waitingAt('open'), reset: this.#slowResets, ping: driver.waitingAt('ping') },
      log: [...driver.log],
      isBusy: this.#isBusy,
      failures: this.#failures,
    }
  }

  #viewOf({ pool }: RealPool): PoolView {
    const { checkedin, checkedout, overflow, waiting } = pool.status()
    const { [this.#worker.threadId]: there = 0, ...others } = heldBy(pool)
    const here = Object.values(others).reduce((sum, count) => sum + count, 0)
    return { checkedin, checkedout, overflow, waiting, here, there }
  }
}

async function standing(caller: RealCaller): Promise<string> {
  const { holding, failure } = caller
  if (failure !== undefined) return `failed: ${failure}`
  if (holding === undefined) return 'pending'
  caller.isOver ||= !(await holding.isValid())
  return `${holding.number} ${caller.isOver ? 'over' : 'valid'}`
}
