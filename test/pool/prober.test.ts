import { describe, expect, it, vi } from 'vitest'
import type { TimeoutError } from '../../src/base/errors.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { type GatedPool, gatedPool } from '../support/gated-pool.ts'
import { failureOf, settle, stateOf } from '../support/observe.ts'

fakeTime()

/** A pool whose driver's failures to open mean that nobody is there. */
const outOfReach = (options: PoolOptions<GatedConnection> = {}): GatedPool =>
  gatedPool(driver => ({
    dialect: driver.dialect({ isUnreachable: error => (error as Error).name === 'GateError' }),
    poolSize: 4,
    maxOverflow: 0,
    timeoutMs: null,
    ...options,
  }))

/** Nothing can be opened, as one caller has found. */
async function begun(options?: PoolOptions<GatedConnection>): Promise<GatedPool> {
  const gated = outOfReach(options)
  gated.driver.next('open', 'fails')
  await failureOf(gated.pool.connect({ timeoutMs: 0 }))
  gated.driver.set('open', 'fails')
  gated.driver.take()
  return gated
}

const opens = ({ driver }: GatedPool): number => driver.take().filter(line => line.startsWith('open')).length

describe('while the database is out of reach', () => {
  it('one attempt is made at a time, for whoever has waited longest, and its failure is his', async () => {
    const gated = await begun()
    const waiting = Array.from({ length: 3 }, () => failureOf(gated.pool.connect()))
    expect([gated.pool.status().waiting, opens(gated)]).toEqual([3, 0])
    await pass(10)
    expect(await waiting[0]).toMatchObject({ message: 'open 2 fails' })
    expect([gated.pool.status().waiting, opens(gated)]).toEqual([2, 1])
    await pass(20)
    expect(await waiting[1]).toMatchObject({ message: 'open 3 fails' })
    expect([gated.pool.status().waiting, opens(gated)]).toEqual([1, 1])
  })

  it.each([
    [0, [10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]],
    [0.999_999, [5, 10, 20, 40, 80, 160, 320, 500, 500, 500]],
  ])('rests double up to a second, less up to half by chance (%f)', async (chance, rests) => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(chance)
    try {
      const gated = await begun({ retryConnect: true })
      const waiting = failureOf(gated.pool.connect({ timeoutMs: 20_000 }))
      for (const rest of rests) {
        await pass(rest - 2)
        expect(opens(gated)).toBe(0)
        let late = 0
        for (; opens(gated) === 0; late++) await pass(1)
        expect(late).toBeLessThanOrEqual(3)
      }
      await pass(20_000)
      await waiting
    } finally {
      random.mockRestore()
    }
  })

  it('nothing is tried when nobody waits, and who comes after that does not wait for a rest that is over', async () => {
    const gated = await begun()
    await pass(60_000)
    expect(opens(gated)).toBe(0)
    expect(await failureOf(gated.pool.connect())).toMatchObject({ message: 'open 2 fails' })
  })

  it('a rest that ends just as somebody comes who has still been told of it, is over for him too', async () => {
    const gated = await begun()
    await pass(60_000)
    // The clock goes on between two looks at it.
    const look = vi.spyOn(gated.pool.prober, 'mayOpen', 'get').mockReturnValueOnce(false).mockReturnValueOnce(false)
    const waiting = failureOf(gated.pool.connect())
    expect([look.mock.calls.length, gated.pool.status().waiting]).toEqual([2, 1])
    await pass(1)
    expect(await waiting).toMatchObject({ message: 'open 2 fails' })
  })

  it('no timer stands once whoever waited has left', async () => {
    const gated = await begun()
    const timers = vi.getTimerCount()
    const { signal, abort } = abortable()
    const waiting = failureOf(gated.pool.connect({ signal }))
    expect(vi.getTimerCount()).toBeGreaterThanOrEqual(timers)
    abort()
    await waiting
    await pass(1000)
    expect(opens(gated)).toBe(0)
  })

  it('several attempts that were under way when it began are one step: the rest after them is the first', async () => {
    const gated = outOfReach()
    gated.driver.set('open', 'slow')
    const four = Array.from({ length: 4 }, () => failureOf(gated.pool.connect()))
    await gated.driver.reached('open', 4)
    const fifth = failureOf(gated.pool.connect())
    gated.driver.set('open', 'fails')
    for (let i = 0; i < 4; i++) await gated.driver.release('open', gateError())
    await Promise.all(four)
    gated.driver.take()
    expect(gated.pool.status().waiting).toBe(1)
    await pass(10)
    expect([opens(gated), await stateOf(fifth)]).toEqual([1, 'fulfilled'])
  })

  it('an attempt that hangs gives way to another after connectTimeoutMs', async () => {
    const gated = await begun({ connectTimeoutMs: 3000 })
    gated.driver.set('open', 'ok')
    gated.driver.next('open', 'never')
    const [first, second] = [failureOf(gated.pool.connect()), gated.pool.connect()]
    await pass(2900)
    expect([opens(gated), await stateOf(second)]).toEqual([1, 'pending'])
    await pass(200)
    expect(await first).toMatchObject({ phase: 'connect', timeoutMs: 3000 })
    expect((await second).number).toBe(3)
  })

  it('who would not wait is told at once, with the last failure as the cause', async () => {
    const gated = await begun()
    const error = (await failureOf(gated.pool.connect({ timeoutMs: 0 }))) as TimeoutError
    expect(error).toMatchObject({ phase: 'wait', timeoutMs: 0, cause: { message: 'open 1 fails' } })
    expect(opens(gated)).toBe(0)
  })

  it('what is idle and good is lent as ever, what would have to be replaced is not', async () => {
    const gated = outOfReach({ retryConnect: true })
    const [one, two, three] = [await gated.pool.connect(), await gated.pool.connect(), await gated.pool.connect()]
    await three.close()
    await two.invalidate(undefined, { soft: true })
    await two.close()
    await one.close()
    gated.driver.set('open', 'fails')
    const fourth = gated.pool.connect({ timeoutMs: 0 })
    await (await fourth).close()
    await gated.pool.use(conn => conn.invalidate())
    gated.driver.take()
    const { signal, abort } = abortable()
    // One is empty now, one is marked, one is good: with the first failure it is the only one that is lent.
    const [a, b] = [gated.pool.connect({ signal }), gated.pool.connect({ signal })]
    await settle()
    const states = [await stateOf(a), await stateOf(b)]
    abort()
    expect(states.sort()).toEqual(['fulfilled', 'pending'])
    await b.catch(() => {})
  })

  it('a connection that comes home serves who waits, as ever', async () => {
    const gated = outOfReach({ poolSize: 2 })
    const held = await gated.pool.connect()
    gated.driver.set('open', 'fails')
    await failureOf(gated.pool.connect())
    const waiting = gated.pool.connect()
    await settle()
    await held.close()
    expect((await waiting).number).toBe(1)
  })

  it('the first success serves all who wait, at once', async () => {
    const gated = await begun()
    const waiting = Array.from({ length: 5 }, () => gated.pool.connect())
    gated.driver.set('open', 'ok')
    await pass(10)
    const states = await Promise.all(waiting.map(stateOf))
    // Four places.
    expect(states).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'pending'])
    await (await waiting[0]!).close()
    expect((await waiting[4]!).isValid).toBe(true)
  })

  it('what an answering server says is no outage: everybody tries for himself', async () => {
    const gated = gatedPool({ poolSize: 4, maxOverflow: 0 })
    gated.driver.set('open', 'fails')
    const all = Array.from({ length: 8 }, () => failureOf(gated.pool.connect()))
    await settle(20)
    expect((await Promise.all(all)).map(error => (error as Error).message).sort()).toEqual(
      Array.from({ length: 8 }, (_, i) => `open ${i + 1} fails`),
    )
  })
})

describe('with retryConnect', () => {
  it('nobody fails before his deadline, and then with the last failure as the cause', async () => {
    const gated = outOfReach({ retryConnect: true, timeoutMs: 500 })
    gated.driver.set('open', 'fails')
    const all = Array.from({ length: 6 }, () => gated.pool.connect())
    const failures = all.map(failureOf)
    await pass(499)
    expect(new Set(await Promise.all(all.map(stateOf)))).toEqual(new Set(['pending']))
    await pass(1)
    const attempts = gated.driver.opened
    for (const failure of await Promise.all(failures)) {
      expect(failure).toMatchObject({ code: 'FAIRYPOOL_TIMEOUT', timeoutMs: 500, cause: { name: 'GateError' } })
    }
    // Four at once, and then one after each rest: 10, 20, … ms, or half of that.
    expect(attempts).toBeLessThanOrEqual(4 + 7)
    expect(gated.pool.status()).toMatchObject({ checkedout: 0, waiting: 0 })
  })

  it('those who have tried in vain are served as they came', async () => {
    const gated = outOfReach({ retryConnect: true, poolSize: 2 })
    gated.driver.set('open', 'fails')
    const served: number[] = []
    const all = Array.from({ length: 5 }, (_, i) =>
      gated.pool.connect().then(async fairy => {
        served.push(i)
        await fairy.close()
      }),
    )
    await pass(3000)
    expect(served).toEqual([])
    gated.driver.set('open', 'ok')
    await pass(1000)
    await Promise.all(all)
    expect(served).toEqual([0, 1, 2, 3, 4])
  })

  it('a refusal by the server is told at once all the same', async () => {
    const gated = outOfReach({ retryConnect: true })
    gated.pool.creator = () => Promise.reject(new RangeError('wrong password'))
    expect(await failureOf(gated.pool.connect())).toMatchObject({ message: 'wrong password' })
  })

  it('who does not want to wait is told at once as well', async () => {
    const gated = outOfReach({ retryConnect: true })
    gated.driver.set('open', 'fails')
    expect(await failureOf(gated.pool.connect({ timeoutMs: 0 }))).toMatchObject({ message: 'open 1 fails' })
  })
})

function gateError(): Error {
  return Object.assign(new Error('refused'), { name: 'GateError' })
}

function abortable(): { readonly signal: AbortSignal; abort(): void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}
