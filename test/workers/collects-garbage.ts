import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import v8 from 'node:v8'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { collectGarbage } from '../../src/base/garbage.ts'

/** Loses something, and collects. */
async function collect(): Promise<object> {
  const finalized: string[] = []
  const registry = new FinalizationRegistry<string>(what => finalized.push(what))
  registry.register({}, 'lost')
  const hadGc = 'gc' in globalThis
  await turn()
  const pauseMs = await collectGarbage()
  // Held until here: a registry that is lost itself never calls back.
  registry.unregister(finalized)
  return { hadGc, finalized, pauseMs }
}

const answerOf = async (worker: Worker): Promise<unknown> => ((await once(worker, 'message')) as unknown[])[0]

if (isMainThread) {
  // Somebody else's flag, to be left alone.
  if (process.argv.includes('flagged')) v8.setFlagsFromString('--expose-gc')
  const tag = v8.cachedDataVersionTag()
  // All have started before any of them begins: a thread that starts meanwhile may see the flag.
  const crowd = Array.from({ length: 4 }, () => new Worker(new URL(import.meta.url)))
  await Promise.all(crowd.map(answerOf))
  for (const worker of crowd) worker.postMessage('begin')
  const threads = await Promise.all(crowd.map(answerOf))
  const main = await collect()
  const later = new Worker("require('node:worker_threads').parentPort.postMessage('gc' in globalThis)", { eval: true })
  const hasGc = await answerOf(later)
  const codeCachesHold = v8.cachedDataVersionTag() === tag
  console.log(JSON.stringify({ main, threads, later: { hasGc, codeCachesHold } }))
} else {
  parentPort!.postMessage('started')
  await once(parentPort!, 'message')
  parentPort!.postMessage(await collect())
}
