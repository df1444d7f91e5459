import { describe, expect, it, vi } from 'vitest'
import { Session } from '../../src/coordinator/session.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import { FastLane } from '../../src/slots/fast-lane.ts'
import { wordOfLease } from '../../src/slots/state.ts'
import { type FastPool, type FastToy, fastPool } from '../support/fast-toy.ts'
import { SlowPort } from '../support/slow-port.ts'

/** A pool with one connection, lent by the claim of another thread: the coordinator has not heard of it. */
async function claimed(
  options: PoolOptions<FastToy> = {},
): Promise<FastPool & { readonly lane: FastLane; readonly lease: number }> {
  const fast = fastPool(options)
  await (await fast.pool.connect()).close()
  const { slots } = fast.pool
  slots.sessions.open(1, 101)
  const lane = new FastLane(slots, 1, { useLifo: false, recycleMs: -1 })
  return { ...fast, lane, lease: lane.claim() }
}

/** Does something while, in other threads, this and that happens each time the coordinator has looked so often at a slot's word. */
async function racing<T>(
  { pool: { slots } }: FastPool,
  looks: number,
  happenings: (() => unknown)[],
  work: () => T | Promise<T>,
): Promise<T> {
  const word = slots.word.bind(slots)
  let left = looks
  const spy = vi.spyOn(slots, 'word').mockImplementation(slot => {
    const seen = word(slot)
    if (--left > 0) return seen
    // What happens looks at the word as well.
    left = Number.POSITIVE_INFINITY
    happenings.shift()?.()
    left = looks
    return seen
  })
  try {
    return await work()
  } finally {
    spy.mockRestore()
  }
}

const counts = Array.from({ length: 10 }, (_, at) => at + 1)

/** The first connection is gone, and the place is free for another. */
async function isReplaced({ pool, made }: FastPool): Promise<void> {
  expect(made[0]!.state).toBe('closed')
  expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  const next = await pool.connect()
  expect(await next.whoami!()).toBe(2)
  await next.close()
}

describe.each(['invalidate', 'close'] as const)(
  "a record's %s() closes the connection all the same (112-114)",
  what => {
    it.each(counts)('when a thread ends its lease after the coordinator has looked at it %i times', async looks => {
      const fast = await claimed()
      const { lane, lease, pool } = fast
      await racing(fast, looks, [() => lane.release(lease)], () => pool.records.at(0)![what]())
      await isReplaced(fast)
    })

    it.each(counts)('when a thread claims it after the coordinator has looked at it %i times', async looks => {
      const fast = await claimed()
      const { lane, lease, pool } = fast
      lane.release(lease)
      await racing(fast, looks, [() => lane.claim()], () => pool.records.at(0)![what]())
      await isReplaced(fast)
    })

    it.each(counts)(
      'when threads end and make leases of it whenever the coordinator has looked %i times',
      async looks => {
        const fast = await claimed()
        const { lane, pool } = fast
        let { lease } = fast
        const end = () => lane.release(lease)
        const begin = () => {
          lease = lane.claim()
        }
        await racing(fast, looks, [end, begin, end, begin, end, begin, end], () => pool.records.at(0)![what]())
        await isReplaced(fast)
      },
    )
  },
)

it.each(counts)('the end of a session takes nothing that its thread has returned, after %i looks', async looks => {
  const error = vi.fn()
  const fast = await claimed({ logger: { debug() {}, info() {}, warn() {}, error } })
  const { pool, lane, lease, made } = fast
  const session = new Session(pool as never, { session: 1, threadId: 101 }, SlowPort.pair()[0].port)
  await racing(fast, looks, [() => lane.release(lease)], () => session.end())
  const next = await pool.connect()
  // Taken back with its thread's loan, or home before that.
  expect(await next.whoami!()).toBe(made[0]!.state === 'open' ? 1 : 2)
  await next.close()
  expect(pool.status()).toMatchObject({ checkedin: 1, checkedout: 0 })
  expect(error).not.toHaveBeenCalled()
})

describe('what a thread returns while dispose() marks it', () => {
  /** The thread has looked at the marks before they were made, and stands still behind its compare-and-set. */
  async function returned(): Promise<FastPool> {
    const fast = await claimed()
    const { slots } = fast.pool
    await fast.pool.dispose()
    slots.stampReturn(0)
    expect(slots.step(0, wordOfLease(fast.lease), 'idle')).not.toBe(-1)
    return fast
  }

  it('is lent to nobody, though nobody has heard of its return yet', async () => {
    const fast = await returned()
    const next = await fast.pool.connect({ timeoutMs: 10_000 })
    expect(await next.whoami!()).toBe(2)
    await next.close()
    await isReplaced(fast)
  })

  it('is closed when the thread dies before it tells', async () => {
    const fast = await returned()
    const ports = SlowPort.pair()
    const session = new Session(fast.pool as never, { session: 1, threadId: 101 }, ports[0].port)
    ports[1].kill()
    await session.over()
    expect(fast.made[0]!.state).toBe('closed')
  })
})
