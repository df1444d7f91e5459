import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { MessageChannel } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { afterEach, describe, expect, it } from 'vitest'
import { createWorkers, type WorkersOptions } from '../../src/coordinator/workers.ts'
import { createPool } from '../../src/index.ts'
import { type LeaseEnd, leaseEndChannel } from '../../src/observe/channels.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'

const filename = fileURLToPath(new URL('../workers/piscina-tasks.js', import.meta.url))
const pools: QueuePool<object>[] = []
const ends: string[] = []
let onEnd: (() => void) | undefined
leaseEndChannel.subscribe(message => {
  ends.push((message as LeaseEnd).reason)
  onEnd?.()
})

/** How the first leases ended, once so many have: their messages and Piscina's answers travel by different ports. */
async function endsOf(count: number): Promise<string[]> {
  while (ends.length < count) {
    await new Promise<void>(resolve => {
      onEnd = resolve
    })
  }
  return ends
}

function start(options: WorkersOptions = {}): { pool: QueuePool<object>; piscina: Piscina } {
  const pool = createPool<object>({
    creator: () => ({ ask: async () => 'answer' }),
    poolSize: 2,
    maxOverflow: 0,
    resetOnReturn: 'none',
  })
  pools.push(pool)
  return { pool, piscina: createWorkers(pool, { filename, maxThreads: 1, ...options }) }
}

/** The next warning that any worker of this Piscina prints. */
async function warningOf(piscina: Piscina): Promise<string> {
  const [worker] = piscina.threads
  let text = ''
  for await (const chunk of worker!.stderr) {
    text += String(chunk)
    if (text.includes('FAIRYPOOL_TASK_LEFT_OPEN')) return text
  }
  return text
}

afterEach(() => {
  for (const pool of pools.splice(0)) pool.unshare()
  ends.length = 0
})

describe('createWorkers', () => {
  it('returns a Piscina whose tasks share the pool', async () => {
    const { pool, piscina } = start()
    expect(piscina).toBeInstanceOf(Piscina)
    expect(await piscina.run(undefined)).toBe('answer')
    expect(await endsOf(1)).toEqual(['closed'])
    expect(pool.status().checkedin).toBe(1)
    await piscina.destroy()
  })

  it('gives back what a task has left open, and warns with the file of the task', async () => {
    const { pool, piscina } = start()
    const warning = warningOf(piscina)
    await piscina.run(undefined, { name: 'forgetful' })
    expect(await piscina.run(undefined, { name: 'tidy' })).toBe('answer')
    expect(await endsOf(2)).toEqual(['task ended', 'closed'])
    expect(pool.status().checkedout).toBe(0)
    expect(await warning).toContain(filename)
    await piscina.destroy()
  })

  it('gives it back when the task throws, whose error arrives as it was', async () => {
    const { pool, piscina } = start()
    for (let round = 0; round < 5; round++) {
      await expect(piscina.run(undefined, { name: 'failing' })).rejects.toThrow(RangeError)
    }
    expect(await piscina.run(undefined, { name: 'tidy' })).toBe('answer')
    expect(await endsOf(6)).toEqual([...Array<string>(5).fill('task ended'), 'closed'])
    expect(pool.status().checkedout).toBe(0)
    await piscina.destroy()
  })

  it('knows whose connection is whose when tasks of one worker overlap', async () => {
    const { pool, piscina } = start({ concurrentTasksPerWorker: 2 })
    const { port1, port2 } = new MessageChannel()
    const holder = piscina.run({ forget: false, port: port2 }, { name: 'overlapping', transferList: [port2] as never })
    await once(port1, 'message')
    expect(await piscina.run({ forget: true }, { name: 'overlapping' })).toBe('forgot')
    port1.postMessage('go on')
    expect(await holder).toBe('answer')
    expect(await endsOf(2)).toEqual(['task ended', 'closed'])
    expect(pool.status().checkedout).toBe(0)
    port1.close()
    await piscina.destroy()
  })

  it.each([1, 2])(
    'says in holders() which task holds a connection, where a worker runs %i at a time',
    async overlap => {
      const { pool, piscina } = start({ concurrentTasksPerWorker: overlap })
      const { port1, port2 } = new MessageChannel()
      const holder = piscina.run(
        { forget: false, port: port2 },
        { name: 'overlapping', transferList: [port2] as never },
      )
      await once(port1, 'message')
      expect(await pool.holders()).toMatchObject([{ use: 'connect', task: filename }])
      port1.postMessage('go on')
      await holder
      expect(await pool.holders()).toEqual([])
      port1.close()
      await piscina.destroy()
    },
  )

  it('unwraps what Piscina.move() has wrapped', async () => {
    const { piscina } = start()
    const bytes = new Uint8Array([1, 2, 3])
    await piscina.run(Piscina.move(bytes))
    expect(bytes.byteLength).toBe(0)
    await piscina.destroy()
  })

  it('says what is missing as Piscina says it, or refuses what is no pool', async () => {
    const { piscina, pool } = start()
    await expect(piscina.run(undefined, { name: 'absent' })).rejects.toThrow("exports no function 'absent'")
    await piscina.destroy()
    const bare = createWorkers(pool)
    await expect(bare.run(undefined)).rejects.toThrow('filename')
    await bare.destroy()
    expect(() => createWorkers({} as never)).toThrow('pool must be a pool')
  })
})
