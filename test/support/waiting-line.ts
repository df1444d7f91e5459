import type { PoolOptions } from '../../src/pool/options.ts'
import type { GatedConnection } from './gated-driver.ts'
import { type Place, type Visit, waiters } from './places.ts'
import { type Holding, hold } from './pool-user.ts'

/** A pool whose connections are all out; its callers wait for ever. */
export async function full(
  place: Place,
  poolSize = 1,
  options: PoolOptions<GatedConnection> = {},
): Promise<Visit & { readonly held: Holding }> {
  const visit = await place.visit({ poolSize, maxOverflow: 0, timeoutMs: null, ...options })
  const [held] = await hold(visit.user, poolSize)
  return { ...visit, held: held! }
}

/** Callers who come one after another, and wait. */
export interface Line {
  /** Which of them have been served so far, in that order. */
  readonly served: readonly number[]
  readonly holdings: readonly Promise<Holding>[]
}

export async function line({ pool, user }: Visit, count: number): Promise<Line> {
  const served: number[] = []
  const holdings: Promise<Holding>[] = []
  for (let i = 0; i < count; i++) {
    const holding = user.connect()
    holding.then(
      () => served.push(i),
      () => {},
    )
    holdings.push(holding)
    await waiters(pool, i + 1)
  }
  return { served, holdings }
}
