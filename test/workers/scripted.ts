import { createRequire } from 'node:module'
import { setImmediate } from 'node:timers/promises'
import { runInThisContext } from 'node:vm'
import { parentPort } from 'node:worker_threads'
import { attach } from '../../src/worker/attach.ts'
import { failureOf } from '../support/failure.ts'
import type { Order, Report, Script, WorkerContext } from '../support/worker-context.ts'

const port = parentPort!
const kept = new Map<string, unknown>()
const warnings: { readonly code: unknown; readonly message: string; readonly detail: unknown }[] = []
process.on('warning', warning => {
  const { code, message, detail } = warning as Error & { readonly code?: unknown; readonly detail?: unknown }
  warnings.push({ code, message, detail })
})

const report = (what: Report): void => port.postMessage(what)

const context: WorkerContext = {
  attach,
  failureOf,
  keep(name, value) {
    kept.set(name, value)
    return value
  },
  kept: name => kept.get(name) as never,
  drop: name => void kept.delete(name),
  say: word => report({ said: word }),
  load: specifier => import(specifier),
  require: createRequire(import.meta.url),
  async collect() {
    // What this turn of the loop has touched lives until its end.
    await setImmediate()
    globalThis.gc!()
    await setImmediate()
  },
  async spawn() {
    const { TestWorker } = await import('../support/test-worker.ts')
    return new TestWorker()
  },
  warnings,
}

/** Runs the functions it is sent, by their source text; see `TestWorker.run()`. */
port.on('message', async ({ id, source, args }: Order) => {
  if (source === undefined) return port.unref()
  try {
    const script = runInThisContext(`(${source})`) as Script<readonly unknown[], unknown>
    report({ id, result: await script(context, ...args) })
  } catch (error) {
    report({ id, failure: await failureOf(() => Promise.reject(error)) })
  }
})
