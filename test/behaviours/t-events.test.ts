import { threadId } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { type EventName, eventNames } from '../../src/observe/event-names.ts'
import type { PoolListeners } from '../../src/pool/events.ts'
import { QueuePool } from '../../src/pool/queue-pool.ts'
import { eventually } from '../support/eventually.ts'
import { type GatedConnection, GatedDriver } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { attached, heardIn, listenIn } from '../support/heard.ts'
import { firstRecord, type Place, places } from '../support/places.ts'
import type { TestWorker } from '../support/test-worker.ts'

/** All that can happen to a connection, in a pool of one place. */
async function live(
  { visit }: Place,
  visited?: (visit: Awaited<ReturnType<Place['visit']>>) => unknown,
): Promise<void> {
  const all = await visit({ poolSize: 1, maxOverflow: 0 })
  await visited?.(all)
  const { pool, user } = all
  const first = await user.connect()
  await first.invalidate(new TypeError('odd'), { soft: true })
  await first.close()
  const second = await user.connect()
  await second.invalidate(new RangeError('too far'))
  const third = await user.connect()
  await third.detach()
  await third.close()
  await pool.dispose()
}

describe.each(places)('the events of a pool, $where', place => {
  it('come with their arguments, in this order (256, 257)', async () => {
    const seen: unknown[] = []
    await live(place, ({ pool }) => {
      for (const event of eventNames) {
        pool.on(event, (...args: unknown[]) => {
          const record = firstRecord(pool)
          const names = args.map(arg => {
            if (arg === record) return 'record'
            if (arg instanceof Error) return arg.message
            const { connection, number } = Object(arg) as { connection?: GatedConnection; number?: number }
            return connection === undefined ? number : `fairy over ${connection.number}`
          })
          seen.push(`${event} ${names.join(', ')}`)
        })
      }
    })
    expect(seen).toEqual([
      'firstConnect 1, record',
      'connect 1, record',
      'checkout 1, record, fairy over 1',
      'softInvalidate 1, record, odd',
      'reset fairy over 1, record',
      'checkin 1, record',
      'close 1, record',
      'connect 2, record',
      'checkout 2, record, fairy over 2',
      'invalidate 2, record, too far',
      'close 2, record',
      'checkin , record',
      'connect 3, record',
      'checkout 3, record, fairy over 3',
      'detach 3, record',
      'reset fairy over 3, ',
      'closeDetached 3',
    ])
  })

  it('have nothing for the error of an invalidation without one (256)', async () => {
    const { pool, user } = await place.visit()
    const errors: unknown[] = []
    for (const event of ['invalidate', 'softInvalidate'] as const) pool.on(event, (_c, _r, error) => errors.push(error))
    const held = await user.connect()
    await held.invalidate(undefined, { soft: true })
    await held.invalidate()
    expect(errors).toEqual([undefined, undefined])
  })

  it("run the coordinator's listeners on the coordinator, whoever has caused them (264)", async () => {
    const threads = new Set<number>()
    await live(place, ({ pool }) => {
      for (const event of eventNames) pool.on(event, () => threads.add(threadId))
    })
    expect([...threads]).toEqual([threadId])
  })

  it('are heard of in another thread too: numbers of connection and record, and the error (256, 264)', async () => {
    let worker: TestWorker | undefined
    await live(place, async ({ pool }) => {
      worker = await attached(pool)
      await listenIn(worker, ...eventNames)
    })
    await eventually(() => heardIn(worker!)).toEqual([
      'firstConnect 1 0',
      'connect 1 0',
      'checkout 1 0',
      'softInvalidate 1 0 TypeError: odd',
      'reset 1 0',
      'checkin 1 0',
      'close 1 0',
      'connect 2 0',
      'checkout 2 0',
      'invalidate 2 0 RangeError: too far',
      'close 2 0',
      'checkin - 0',
      'connect 3 0',
      'checkout 3 0',
      'detach 3 0',
      'reset 3 -',
      'closeDetached 3 -',
    ])
  })

  it('run their connect listeners side by side: only firstConnect is exclusive (266)', async () => {
    const { pool, user } = await place.visit()
    let inside = 0
    let both = (): void => {}
    const met = new Promise<void>(resolve => {
      both = resolve
    })
    pool.on('connect', () => {
      if (++inside === 2) both()
      return met
    })
    const held = await Promise.all([user.connect(), user.connect()])
    expect(held.map(({ number }) => number).sort()).toEqual([1, 2])
  })

  it('have the listeners of a subclass before all others, and those of no other class (261)', async () => {
    const log: string[] = []
    class OwnPool extends QueuePool<GatedConnection> {
      constructor(options: ConstructorParameters<typeof QueuePool<GatedConnection>>[0]) {
        super(options)
        this.on('connect', () => log.push('class'), { insert: true })
      }
    }
    const driver = new GatedDriver()
    const pool = new OwnPool({ dialect: driver.dialect(), events: [[() => log.push('option'), 'connect']] })
    pool.on('connect', () => log.push('added'))
    const connect = async (pool: QueuePool<GatedConnection>): Promise<string[]> => {
      const user = await place.userOf(pool)
      await user.connect()
      return log.splice(0)
    }
    expect(await connect(pool)).toEqual(['class', 'option', 'added'])
    expect(await connect(pool.recreate())).toEqual(['class', 'option', 'added'])
    expect(await connect(gatedPool().pool)).toEqual([])
  })
})

describe('what a pool calls its events', () => {
  it('is the list of ten, in every thread (256)', () => {
    const all: Record<EventName & keyof PoolListeners<object>, true> = {
      firstConnect: true,
      connect: true,
      checkout: true,
      checkin: true,
      reset: true,
      invalidate: true,
      softInvalidate: true,
      close: true,
      detach: true,
      closeDetached: true,
    }
    expect(Object.keys(all)).toEqual([...eventNames])
  })
})
