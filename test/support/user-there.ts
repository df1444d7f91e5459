import { setImmediate as turn } from 'node:timers/promises'
import type { MaybePromise } from '../../src/base/maybe-async.ts'
import type { ConnectOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { ShareAddress } from '../../src/pool/sharing.ts'
import type { GatedConnection } from './gated-driver.ts'
import type { GatedFairy } from './gated-pool.ts'
import type { Do, Holding, PoolUser, Verbs } from './pool-user.ts'
import type { TestWorker } from './test-worker.ts'
import type { WorkerContext } from './worker-context.ts'

let lastName = 0

/** A name by which a worker keeps a thing. */
const newName = (): string => `thing ${++lastName}`

/** Who uses a pool from a real worker. */
export class UserThere implements PoolUser {
  readonly #worker: TestWorker
  readonly #pool: QueuePool<GatedConnection>
  readonly #name = newName()
  #warned = 0

  private constructor(worker: TestWorker, pool: QueuePool<GatedConnection>) {
    this.#worker = worker
    this.#pool = pool
  }

  /** The pool must have been shared. */
  static async of(pool: QueuePool<GatedConnection>, worker: TestWorker): Promise<UserThere> {
    const user = new UserThere(worker, pool)
    const attach = async (context: WorkerContext, name: string, address: ShareAddress): Promise<void> => {
      context.keep(name, await context.attach(address))
    }
    await worker.run(attach, user.#name, pool.share())
    await user.warnings()
    return user
  }

  readonly do: Do<Verbs> = (work, ...args) => doThere(this.#worker, this.#name, work, args)

  connect(options?: ConnectOptions): Promise<Holding> {
    return quiet(this.#borrow('connect', options))
  }

  uniqueConnection(options?: ConnectOptions): Promise<Holding> {
    return quiet(this.#borrow('uniqueConnection', options))
  }

  threadId = async (): Promise<number> => this.#worker.threadId

  async warnings(): Promise<string[]> {
    const codes = await this.#worker.run(context => context.warnings.map(({ code }) => String(code)))
    const since = codes.slice(this.#warned)
    this.#warned = codes.length
    return since
  }

  async invalidate(holding?: Holding, error?: Error): Promise<void> {
    const report = async (
      context: WorkerContext,
      pool: string,
      fairy: string | undefined,
      error?: Error,
    ): Promise<void> => {
      const reporter = fairy === undefined ? undefined : context.kept<GatedFairy>(fairy)
      await context.kept<Verbs>(pool).invalidate(reporter as never, error)
    }
    await this.#worker.run(report, this.#name, (holding as HoldingThere | undefined)?.name, error)
  }

  async #borrow(verb: 'connect' | 'uniqueConnection', options: ConnectOptions = {}): Promise<Holding> {
    const name = newName()
    const { signal, ...rest } = options
    // A signal can't travel: the worker has one of its own, which follows.
    const follow = (): void => {
      const abort = (context: WorkerContext, name: string, reason: unknown): void =>
        context.kept<AbortController>(`${name} signal`).abort(reason)
      void this.#worker.run(abort, name, signal?.reason)
    }
    signal?.addEventListener('abort', follow)
    const borrow = async (
      context: WorkerContext,
      pool: string,
      name: string,
      verb: 'connect' | 'uniqueConnection',
      options: ConnectOptions,
      isFollowing: boolean,
    ): Promise<number> => {
      const { signal } = context.keep(`${name} signal`, new AbortController())
      const fairy = await context.kept<Verbs>(pool)[verb](isFollowing ? { ...options, signal } : options)
      context.keep(name, fairy)
      return fairy.generation
    }
    const generation = await this.#worker.run(borrow, this.#name, name, verb, rest, signal !== undefined)
    return new HoldingThere(this.#worker, name, numberOf(this.#pool, generation))
  }
}

class HoldingThere implements Holding {
  readonly name: string
  readonly number: number
  readonly #worker: TestWorker

  constructor(worker: TestWorker, name: string, number: number) {
    this.#worker = worker
    this.name = name
    this.number = number
  }

  readonly do: Do<GatedFairy> = (work, ...args) => doThere(this.#worker, this.name, work, args)
  isValid = (): Promise<boolean> => this.do(fairy => fairy.isValid)
  close = (): Promise<void> => this.do(fairy => fairy.close())
  detach = (): Promise<void> => this.do(fairy => fairy.detach())

  invalidate(error?: Error, options?: { readonly soft?: boolean }): Promise<void> {
    return this.do((fairy, error, options) => fairy.invalidate(error, options), error, options)
  }

  async lose(done: () => boolean): Promise<void> {
    await this.#worker.run((context, name) => context.drop(name), this.name)
    for (let i = 0; i < 200 && !done(); i++) {
      await this.#worker.run(context => context.collect())
      await turn()
    }
  }
}

function doThere<T, R, A extends readonly unknown[]>(
  worker: TestWorker,
  name: string,
  work: (it: T, ...args: A) => MaybePromise<R>,
  args: A,
): Promise<R> {
  const run = (context: WorkerContext, name: string, source: string, args: A): MaybePromise<R> => {
    const { runInThisContext } = context.require('node:vm') as typeof import('node:vm')
    return (runInThisContext(`(${source})`) as typeof work)(context.kept(name), ...args)
  }
  return worker.run(run, name, work.toString(), args) as Promise<R>
}

/** A test that has failed elsewhere awaits it no more. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

/** The connection of a loan that is out, by the one thing that says in every thread which it is. */
function numberOf(pool: QueuePool<GatedConnection>, generation: number): number {
  const record = [...pool.records].find(({ slot }) => pool.slots.generation(slot) === generation)
  return record?.connection?.number ?? 0
}
