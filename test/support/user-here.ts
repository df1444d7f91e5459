import { threadId } from 'node:worker_threads'
import { vi } from 'vitest'
import type { ConnectOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { GatedConnection } from './gated-driver.ts'
import type { GatedFairy } from './gated-pool.ts'
import { collectUntil, watchWarnings } from './observe.ts'
import type { Do, Holding, PoolUser, Verbs } from './pool-user.ts'

/** Who uses a pool on the thread that owns it. */
export class UserHere implements PoolUser {
  readonly #pool: QueuePool<GatedConnection>
  /** A test that watches them itself is left alone. */
  readonly #warnings = vi.isMockFunction(process.emitWarning) ? [] : watchWarnings()

  constructor(pool: QueuePool<GatedConnection>) {
    this.#pool = pool
  }

  readonly do: Do<Verbs> = async (work, ...args) => work(this.#pool, ...args)

  async connect(options?: ConnectOptions): Promise<Holding> {
    return new HoldingHere(await this.#pool.connect(options))
  }

  async uniqueConnection(options?: ConnectOptions): Promise<Holding> {
    return new HoldingHere(await this.#pool.uniqueConnection(options))
  }

  threadId = async (): Promise<number> => threadId
  warnings = async (): Promise<string[]> => this.#warnings.splice(0)

  invalidate(holding?: Holding, error?: Error): Promise<void> {
    return this.#pool.invalidate((holding as HoldingHere | undefined)?.fairy, error)
  }
}

class HoldingHere implements Holding {
  readonly number: number
  fairy: GatedFairy

  constructor(fairy: GatedFairy) {
    this.fairy = fairy
    this.number = fairy.number
  }

  readonly do: Do<GatedFairy> = async (work, ...args) => work(this.fairy, ...args)
  isValid = async (): Promise<boolean> => this.fairy.isValid
  close = (): Promise<void> => this.fairy.close()
  detach = (): Promise<void> => this.fairy.detach()

  invalidate(error?: Error, options?: { readonly soft?: boolean }): Promise<void> {
    return this.fairy.invalidate(error, options)
  }

  async lose(done: () => boolean): Promise<void> {
    this.fairy = undefined as never
    await collectUntil(done)
  }
}
