import fc from 'fast-check'
import { expect, it } from 'vitest'
import { watchWarnings } from '../support/observe.ts'
import { startWorker } from '../support/start-worker.ts'
import type { Settings } from './parts.ts'
import { end, step } from './steps.ts'
import { World } from './world.ts'
import { WorldModel } from './world-model.ts'

/*
 * A random walk over two threads: whatever is done to a pool, and whatever its driver does, after every step the counts, the
 * events and the connections are those of a small model of the specification.
 */

const walks = Number(process.env.FAIRYPOOL_WALKS ?? 2000)
const seed = process.env.FAIRYPOOL_SEED

const settings: fc.Arbitrary<Settings> = fc.record({
  poolSize: fc.constantFrom(1, 1, 1, 2, 2, 3, 0),
  maxOverflow: fc.constantFrom(0, 0, 0, 0, 1, 2, -1),
  useLifo: fc.boolean(),
  prePing: fc.constantFrom(false, false, true),
  resetOnReturn: fc.constantFrom('rollback', 'rollback', 'commit', 'none'),
  path: fc.constantFrom('heard', 'heard', 'silent', 'clean'),
})

it(`${walks} random walks end each step where the model does`, async () => {
  watchWarnings()
  const worker = startWorker()
  const walk = async (settings: Settings, steps: Iterable<fc.AsyncCommand<WorldModel, World>>): Promise<void> => {
    const world = await World.begin(settings, worker)
    const model = new WorldModel(settings, (number, threads) => {
      const pool = model.pools[number]!
      return threads.find(thread => world.used(number, thread) > pool.usedBy(thread)) ?? threads[0]!
    })
    try {
      await fc.asyncModelRun(() => ({ model, real: world }), steps)
      await end(model, world)
      if (!model.isUndecided) expect(model.driver.open.size).toBe(0)
    } finally {
      world.leave()
    }
  }
  await fc.assert(fc.asyncProperty(settings, fc.commands([step], { maxCommands: 40, size: 'max' }), walk), {
    numRuns: walks,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  })
}, 3_600_000)
