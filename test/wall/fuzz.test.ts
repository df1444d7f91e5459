import { expect, it } from 'vitest'
import { noCrashes } from '../support/crashes.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer } from '../support/own-server.ts'
import { poolWarnings } from '../support/pool-warnings.ts'
import { startWorker } from '../support/start-worker.ts'

/*
 * One thread sends garbage, and nearly good messages made from what real use has said; others work, and check every answer.
 */

const count = Number(process.env.FAIRYPOOL_FUZZ ?? 20_000)
const seed = Number(process.env.FAIRYPOOL_SEED ?? Date.now() % 1_000_000)
const poolSize = 4

const own = OwnServer.forThisFile()

it.each(['remote', 'direct'] as const)(
  `${count / 2} messages of a thread that means harm cost nobody anything, transport %s`,
  async transport => {
    noCrashes()
    poolWarnings()
    const what = `FAIRYPOOL_FUZZ=${count} FAIRYPOOL_SEED=${seed}, ${transport}`
    const pool = own.pool('a Unix socket', {
      poolSize,
      timeoutMs: 10_000,
      closeTimeoutMs: 500,
      ...(transport === 'remote' ? { transport } : {}),
    })
    const stop = new Int32Array(new SharedArrayBuffer(4))
    const honest = ['one', 'two'].map(name =>
      startWorker().run(
        async ({ load }, name, stop) => {
          const { workHonestly } = (await load('../wall/honest.js')) as typeof import('./honest.js')
          return workHonestly(name, stop)
        },
        name,
        stop,
      ),
    )
    // Should the test fail before it has come to them.
    for (const each of honest) each.catch(() => {})
    const hostile = startWorker()
    const from = performance.now()
    const recorded = await hostile.run(
      async ({ load }, seed, count) => {
        const { fuzz } = (await load('../wall/fuzzer.js')) as typeof import('./fuzzer.js')
        return fuzz(seed, count)
      },
      seed,
      count / 2,
    )
    const tookMs = performance.now() - from
    Atomics.store(stop, 0, 1)
    const seen = await Promise.all(honest)
    const { refused } = pool.status()
    console.log(
      `${what}: ${recorded} recorded messages, ${Math.round(tookMs)} ms, ${refused} refused; honest threads did ` +
        seen
          .map(each => `${each.done} (${each.medianMs.toFixed(1)} ms, at most ${each.longestMs.toFixed(0)})`)
          .join(', '),
    )
    for (const { done, wrong, failures, longestMs } of seen) {
      expect({ wrong, failures }, what).toEqual({ wrong: [], failures: [] })
      expect(done, what).toBeGreaterThan(10)
      expect(longestMs, what).toBeLessThan(5000)
    }
    expect(refused, what).toBeGreaterThan(count / 8)
    await hostile.terminate()
    await eventually(() => [pool.status().checkedout, pool.status().waiting, pool.slots.waiters]).toEqual([0, 0, 0])
    const { idle, empty } = pool.slots.counts()
    expect(idle + empty, what).toBe(poolSize)
    const fairies = await Promise.all(Array.from({ length: poolSize }, () => pool.connect()))
    const answers = await Promise.all(fairies.map((fairy, n) => fairy.query('select $1::int as n', [n])))
    expect(answers.map(({ rows }) => rows)).toEqual([0, 1, 2, 3].map(n => [{ n }]))
    await Promise.all(fairies.map(fairy => fairy.close()))
    // Nor has it left anything at the server.
    await eventually(async () => (await own.view.sessions()).length).toBe(poolSize)
  },
  Math.max(120_000, count * 20),
)
