import type { WorkerOptions } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import { TestWorker } from './test-worker.ts'

/** A scripted worker for the test that runs, ended with it. It attaches to nothing by itself. */
export function startWorker(options?: WorkerOptions): TestWorker {
  const worker = new TestWorker(options)
  onTestFinished(() => worker.terminate())
  return worker
}
