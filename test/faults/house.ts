import type { WorkerOptions } from 'node:worker_threads'
import type { Client, ClientConfig } from 'pg'
import { onTestFinished } from 'vitest'
import type { Dialect } from '../../src/dialects/dialect.ts'
import { pg } from '../../src/dialects/pg.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { openPool } from '../support/open-pool.ts'
import type { OwnServer } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'
import type { TestWorker } from '../support/test-worker.ts'

/** How a worker reaches its connections: what goes wrong must go wrong well either way. */
export const transports = ['direct', 'remote'] as const
export type Transport = (typeof transports)[number]

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** A shared pool behind a faulty proxy, and a worker that keeps its client of it as `pool`. */
export interface House {
  readonly pool: QueuePool<Client>
  readonly proxy: FaultyProxy
  readonly worker: TestWorker
  /** Another worker like the first. */
  another(options?: WorkerOptions): Promise<TestWorker>
}

/** Options of a house's pool; `config` goes to the driver, `dialect` changes what the driver's dialect does. */
export interface HouseOptions extends Omit<PoolOptions<Client>, 'dialect'> {
  readonly config?: ClientConfig
  readonly dialect?: (dialect: Dialect<Client>) => Partial<Dialect<Client>>
}

let houses = 0

/** For the test that runs. A pool of one connection, unless options say else. */
export async function openHouse(
  own: OwnServer,
  transport: Transport,
  { config, dialect, ...options }: HouseOptions = {},
): Promise<House> {
  const proxy = await FaultyProxy.to(own.server.port)
  onTestFinished(() => proxy.close())
  const { pathname, username, password } = new URL(own.server.connectionString)
  const real = pg({
    host: '127.0.0.1',
    port: proxy.port,
    user: username,
    password,
    database: pathname.slice(1),
    ...config,
  })
  const given: PoolOptions<Client> = {
    dialect: dialect ? Object.defineProperties(real, Object.getOwnPropertyDescriptors(dialect({ ...real }))) : real,
    poolSize: 1,
    maxOverflow: 0,
    logger: silent,
    ...(transport === 'remote' ? { transport } : {}),
    ...options,
  }
  const pool = openPool<Client>(given, `house ${++houses}`)
  const another = async (options?: WorkerOptions): Promise<TestWorker> => {
    const worker = startWorker(options)
    await worker.run(async ({ attach, keep }, address) => void keep('pool', await attach(address)), pool.share())
    return worker
  }
  return { pool, proxy, worker: await another(), another }
}
