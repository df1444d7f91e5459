import { onTestFinished } from 'vitest'
import type { EventName } from '../../src/observe/event-names.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { PoolEvent } from '../../src/worker/listeners.ts'
import type { PoolClient } from '../../src/worker/pool-client.ts'
import { startWorker } from './start-worker.ts'
import type { TestWorker } from './test-worker.ts'

/** A worker with this pool, shared for the test, as its `pool`. */
export async function attached(pool: Pick<QueuePool, 'share' | 'unshare'>): Promise<TestWorker> {
  onTestFinished(() => pool.unshare())
  const worker = startWorker()
  await worker.run(async ({ attach, keep }, address) => void keep('pool', await attach(address)), pool.share())
  return worker
}

/** Has the worker's `pool` listen to these events; settles when it does. Its listener is kept as `listener`. */
export function listenIn(worker: TestWorker, ...events: readonly EventName[]): Promise<void> {
  return worker.run(async ({ keep, kept }, events) => {
    const heard = keep<string[]>('heard', [])
    const listener = keep('listener', (told: PoolEvent) => {
      const { event, connection, record } = told
      const error = told.error as Error | undefined
      const why = 'error' in told ? ` ${error?.constructor.name}: ${error?.message}` : ''
      heard.push(`${event} ${connection ?? '-'} ${record ?? '-'}${why}`)
    })
    for (const event of events) await kept<PoolClient>('pool').on(event, listener)
  }, events)
}

/** What it has heard so far, each as `name connection record`, with the class and text of an error. */
export const heardIn = (worker: TestWorker): Promise<readonly string[]> =>
  worker.run(({ kept }) => kept<string[]>('heard'))
