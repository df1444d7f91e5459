import type { Client } from 'pg'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import type { TestWorker } from './test-worker.ts'
import type { WorkerContext } from './worker-context.ts'

export const deaths = ['is terminated', 'exits', 'throws', 'runs out of heap'] as const
export type Death = (typeof deaths)[number]
export const states = ['waiting', 'just granted', 'in a query', 'in a transaction', 'closing'] as const
export type State = (typeof states)[number]

/** Long enough that whoever waits for it has waited too long. */
export const sleep = 'select pg_sleep(300)'

/** What a worker is started with that may run out of heap: the others have none to lose. */
export const smallHeap = { resourceLimits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 } }

/** A worker that has brought itself into a state and then stands still, between two of its own instructions. */
export class Doomed {
  readonly worker: TestWorker
  readonly #death: Death
  readonly #flag = new Int32Array(new SharedArrayBuffer(4))

  /** The worker uses the client that it keeps as `pool`, or attaches to the only pool. `work`: what it does in its transaction. */
  constructor(worker: TestWorker, death: Death, state: State, work = 'select 1') {
    this.worker = worker
    this.#death = death
    worker.runToDeath(standStill, death, state, this.#flag, work, sleep)
  }

  /** Its exit code. */
  async die(): Promise<number> {
    if (this.#death === 'is terminated') await this.worker.terminate()
    Atomics.store(this.#flag, 0, 1)
    Atomics.notify(this.#flag, 0)
    return this.worker.exited
  }
}

const standStill = async (
  { attach, kept, say }: WorkerContext,
  death: Death,
  state: State,
  flag: Int32Array,
  work: string,
  sleep: string,
): Promise<void> => {
  const pool = kept<PoolClient<Client> | undefined>('pool') ?? (await attach<Client>())
  if (state === 'waiting' || state === 'just granted') pool.connect().catch(() => {})
  else {
    const conn = await pool.connect()
    await conn.query('begin')
    await conn.query(work)
    if (state !== 'in a transaction') conn.query(sleep).catch(() => {})
    if (state === 'closing') void conn.close()
  }
  // What was asked for leaves in a microtask; then nothing of this thread runs any more.
  setImmediate(() => {
    say('standing still')
    Atomics.wait(flag, 0, 0)
    if (death === 'exits') process.exit(7)
    if (death === 'throws') throw new Error('on purpose')
    for (const hog: unknown[] = []; ; ) hog.push(new Array(10_000).fill(hog.length))
  })
}
