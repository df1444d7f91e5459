import { createPool } from '../../src/coordinator/create-pool.ts'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { type GatedConnection, GatedDriver } from './gated-driver.ts'
import { MemoryLogger } from './observe.ts'

/** A pool over a gated driver, and a logger that remembers. */
export interface GatedPool {
  readonly pool: QueuePool<GatedConnection>
  readonly driver: GatedDriver
  readonly logger: MemoryLogger
}

export type GatedFairy = Fairy<GatedConnection>

/** Options that take the driver's dialect unless they bring one. */
export function gatedPool(
  options: PoolOptions<GatedConnection> | ((driver: GatedDriver) => PoolOptions<GatedConnection>) = {},
): GatedPool {
  const driver = new GatedDriver()
  const logger = new MemoryLogger()
  const given = typeof options === 'function' ? options(driver) : options
  const pool = createPool<GatedConnection>({ dialect: driver.dialect(), logger, ...given })
  return { pool, driver, logger }
}

/** So many checkouts, one after another. */
export async function take(pool: QueuePool<GatedConnection>, count: number): Promise<GatedFairy[]> {
  const fairies: GatedFairy[] = []
  for (let i = 0; i < count; i++) fairies.push(await pool.connect())
  return fairies
}

/** The driver's connection numbers of fairies. */
export const numbersOf = (fairies: readonly GatedFairy[]): number[] => fairies.map(fairy => fairy.number)
