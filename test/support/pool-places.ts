import { afterAll, onTestFinished } from 'vitest'
import type { ConnectOptions, PoolOptions } from '../../src/pool/options.ts'
import type { Pool } from '../../src/pool/pool.ts'
import type { ShareAddress } from '../../src/pool/sharing.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { eventually } from './eventually.ts'
import { type GatedConnection, GatedDriver } from './gated-driver.ts'
import type { GatedFairy } from './gated-pool.ts'
import { MemoryLogger } from './observe.ts'
import { startWorker } from './start-worker.ts'
import { TestWorker } from './test-worker.ts'
import type { WorkerContext } from './worker-context.ts'

type GatedPool = Pool<GatedConnection>
type Options = PoolOptions<GatedConnection>

/** A fairy that a `PoolGuest` holds, wherever it is. */
export interface Stay {
  /** Its connection's number, as the driver counted when it was lent. */
  readonly number: number
  /** A name for the fairy: two stays over the same fairy have the same. */
  readonly fairy: number
  isValid(): Promise<boolean>
  query(text: string): Promise<unknown>
  close(): Promise<void>
  invalidate(error?: Error, options?: { readonly soft?: boolean }): Promise<void>
  detach(): Promise<void>
}

/** Somebody who uses a pool of any class: on the thread that owns it, or from a real worker. */
export interface PoolGuest {
  readonly threadId: number
  connect(options?: ConnectOptions): Promise<Stay>
  uniqueConnection(options?: ConnectOptions): Promise<Stay>
  invalidate(stay?: Stay, error?: Error): Promise<void>
  status(): Promise<{ readonly text: string; readonly checkedin: number; readonly checkedout: number }>
  dispose(): Promise<void>
  /** How `connect()` fails. */
  refused(options?: ConnectOptions): Promise<{ readonly class: string; readonly message: string }>
}

/** From where a pool is used. A behaviour is written once, and must hold in each place: `describe.each(poolPlaces)('$where', …)`. */
export interface PoolPlace {
  readonly where: string
  guestOf(pool: GatedPool): Promise<PoolGuest>
}

type Verb = 'connect' | 'uniqueConnection'

const describeError = (thrown: unknown): { class: string; message: string } => {
  // What has failed in a worker comes with what its own thread could see of it.
  const { failure } = Object(thrown) as { readonly failure?: { readonly class: string; readonly message: string } }
  const error = thrown as Error
  return failure ?? { class: error.constructor.name, message: error.message }
}

const refusal = async (asked: Promise<Stay>): Promise<{ class: string; message: string }> =>
  asked.then(() => Promise.reject(new Error('It was expected to be refused.')), describeError)

class GuestHere implements PoolGuest {
  readonly threadId = 0
  readonly #pool: GatedPool
  readonly #fairies: GatedFairy[] = []

  constructor(pool: GatedPool) {
    this.#pool = pool
  }

  connect = (options?: ConnectOptions): Promise<Stay> => this.#borrow('connect', options)
  uniqueConnection = (options?: ConnectOptions): Promise<Stay> => this.#borrow('uniqueConnection', options)
  refused = (options?: ConnectOptions): Promise<{ class: string; message: string }> => refusal(this.connect(options))
  dispose = (): Promise<void> => this.#pool.dispose()

  async status(): Promise<{ text: string; checkedin: number; checkedout: number }> {
    const status = this.#pool.status()
    return { text: String(status), checkedin: status.checkedin, checkedout: status.checkedout }
  }

  invalidate = (stay?: Stay, error?: Error): Promise<void> =>
    this.#pool.invalidate(stay && this.#fairies[stay.fairy], error)

  async #borrow(verb: Verb, options?: ConnectOptions): Promise<Stay> {
    const fairy = await this.#pool[verb](options)
    if (!this.#fairies.includes(fairy)) this.#fairies.push(fairy)
    return {
      number: fairy.connection?.number ?? 0,
      fairy: this.#fairies.indexOf(fairy),
      isValid: async () => fairy.isValid,
      query: text => fairy.query(text),
      close: () => fairy.close(),
      invalidate: (error, how) => fairy.invalidate(error, how),
      detach: () => fairy.detach(),
    }
  }
}

let lastGuest = 0
let lastSignal = 0

class GuestThere implements PoolGuest {
  readonly #name = `guest ${++lastGuest}`
  readonly #pool: GatedPool
  readonly worker: TestWorker
  readonly threadId: number

  constructor(pool: GatedPool, worker: TestWorker) {
    this.#pool = pool
    this.worker = worker
    // A thread that is gone has none any more.
    this.threadId = worker.threadId
  }

  async attach(address: ShareAddress): Promise<this> {
    const attach = async ({ attach, keep }: WorkerContext, name: string, address: ShareAddress): Promise<void> => {
      keep(name, await attach(address))
      keep(`${name} fairies`, [])
    }
    await this.worker.run(attach, this.#name, address)
    return this
  }

  connect = (options?: ConnectOptions): Promise<Stay> => this.#borrow('connect', options)
  uniqueConnection = (options?: ConnectOptions): Promise<Stay> => this.#borrow('uniqueConnection', options)
  refused = (options?: ConnectOptions): Promise<{ class: string; message: string }> => refusal(this.connect(options))

  status(): Promise<{ text: string; checkedin: number; checkedout: number }> {
    return this.worker.run(async ({ kept }, name) => {
      const status = await kept<PoolClient>(name).status()
      return { text: String(status), checkedin: status.checkedin, checkedout: status.checkedout }
    }, this.#name)
  }

  dispose(): Promise<void> {
    return this.worker.run(({ kept }, name) => kept<PoolClient>(name).dispose(), this.#name)
  }

  invalidate(stay?: Stay, error?: Error): Promise<void> {
    const report = ({ kept }: WorkerContext, name: string, fairy: number, error?: Error): Promise<void> =>
      kept<PoolClient>(name).invalidate(kept<GatedFairy[]>(`${name} fairies`)[fairy] as never, error)
    return this.worker.run(report, this.#name, stay?.fairy ?? -1, error)
  }

  async #borrow(verb: Verb, { timeoutMs, signal }: ConnectOptions = {}): Promise<Stay> {
    const name = this.#name
    const id = ++lastSignal
    const borrow = async (
      { kept, keep }: WorkerContext,
      name: string,
      id: number,
      verb: Verb,
      timeoutMs?: number | null,
    ) => {
      const fairies = kept<unknown[]>(`${name} fairies`)
      const controller = keep(`signal ${id}`, new AbortController())
      const options = { signal: controller.signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) }
      const fairy = await kept<PoolClient>(name)[verb](options)
      if (!fairies.includes(fairy)) fairies.push(fairy)
      return { fairy: fairies.indexOf(fairy), generation: fairy.generation }
    }
    // A signal can't travel: the worker has one of its own, which follows.
    signal?.addEventListener('abort', () => {
      const abort = ({ kept }: WorkerContext, id: number, reason: unknown): void =>
        kept<AbortController>(`signal ${id}`).abort(reason)
      void this.worker.run(abort, id, signal.reason)
    })
    const { fairy, generation } = await this.worker.run(borrow, name, id, verb, timeoutMs)
    const call = <R>(method: 'isValid' | 'query' | 'close' | 'invalidate' | 'detach', ...args: unknown[]): Promise<R> =>
      this.worker.run(
        ({ kept }, name, fairy, method, args) => {
          const it = kept<Record<string, unknown>[]>(`${name} fairies`)[fairy]!
          return method === 'isValid' ? it.isValid : (it[method] as (...args: unknown[]) => unknown)(...args)
        },
        name,
        fairy,
        method,
        args,
      ) as Promise<R>
    return {
      number: this.#numberOf(generation),
      fairy,
      isValid: () => call('isValid'),
      query: text => call('query', text),
      close: () => call('close'),
      invalidate: (error, how) => call('invalidate', error, how),
      detach: () => call('detach'),
    }
  }

  /** By the one thing that says in every thread which connection it is. */
  #numberOf(generation: number): number {
    for (const record of this.#pool.records) {
      if (this.#pool.slots.generation(record.slot) === generation) return record.connection?.number ?? 0
    }
    return 0
  }
}

let pools = 0

const addressOf = (pool: GatedPool): ShareAddress => {
  const known = addresses.get(pool)
  if (known) return known
  const address = pool.share({ name: `places ${++pools}` })
  addresses.set(pool, address)
  onTestFinished(() => pool.unshare())
  return address
}
const addresses = new WeakMap<object, ShareAddress>()

let shared: TestWorker | undefined
afterAll(() => shared?.terminate())

/** One worker for all the tests of a file; it attaches to their pools one after another. */
const fileWorker = (): TestWorker => {
  shared ??= new TestWorker()
  return shared
}

export const poolPlaces: readonly PoolPlace[] = [
  { where: 'on the coordinator', guestOf: async pool => new GuestHere(pool) },
  { where: 'from a worker', guestOf: pool => new GuestThere(pool, fileWorker()).attach(addressOf(pool)) },
]

/** A guest in a worker of its own, which the test may kill. */
export const guestInNewWorker = (pool: GatedPool): Promise<GuestThere> =>
  new GuestThere(pool, startWorker()).attach(addressOf(pool))

/** Options of a pool over a gated driver, or how to make them. */
export type GatedOptions = Options | ((driver: GatedDriver) => Options)

export interface GatedPoolOf<P extends GatedPool> {
  readonly pool: P
  readonly driver: GatedDriver
  readonly logger: MemoryLogger
}

/** A pool of some class over a gated driver. */
export function poolOf<P extends GatedPool>(
  PoolClass: new (options: Options) => P,
  options: GatedOptions = {},
): GatedPoolOf<P> {
  const driver = new GatedDriver()
  const logger = new MemoryLogger()
  const given = typeof options === 'function' ? options(driver) : options
  return { pool: new PoolClass({ dialect: driver.dialect(), logger, ...given }), driver, logger }
}

/** Somebody leaves while a connection is being opened for him; the open goes on until it is released. Tells how he was refused. */
export async function leaveWhileOpening(
  guest: PoolGuest,
  driver: GatedDriver,
  meanwhile: () => unknown = () => {},
): Promise<{ readonly class: string; readonly message: string }> {
  driver.next('open', 'slow')
  const controller = new AbortController()
  const before = driver.waitingAt('open')
  const left = guest.refused({ signal: controller.signal })
  await driver.reached('open', before + 1)
  await meanwhile()
  controller.abort(new RangeError('enough'))
  return left
}

/** So many callers wait. */
export const waiting = async (pool: GatedPool, count: number): Promise<void> =>
  eventually(() => pool.status().waiting).toBe(count)

/** The coordinator has heard that a thread is gone. */
export const gone = async (pool: GatedPool, { threadId }: { readonly threadId: number }): Promise<void> => {
  const { sessions } = pool.slots
  const isOpen = (): boolean => {
    for (let session = 1; session <= sessions.last; session++) {
      if (sessions.isOpen(session) && sessions.threadId(session) === threadId) return true
    }
    return false
  }
  await eventually(isOpen).toBe(false)
}

/** Slots in use: those of records, and the seats of loans. */
export const slotsInUse = (pool: GatedPool): number => pool.slots.capacity - pool.slots.counts().empty
