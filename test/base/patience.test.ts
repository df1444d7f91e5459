import { getEventListeners } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { Patience } from '../../src/base/patience.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { failureOf, stateOf } from '../support/observe.ts'

fakeTime()

const late = (): Error => new Error('late')

describe('patience', () => {
  it('ends at one absolute deadline, counted from the beginning and not from the first wait', async () => {
    const patience = new Patience({ timeoutMs: 100 }, late)
    await pass(60)
    const reasons: unknown[] = []
    patience.watch(reason => reasons.push(reason))
    await pass(39)
    expect(reasons).toEqual([])
    await pass(1)
    expect(reasons).toEqual([new Error('late')])
    expect(patience.gone).toEqual({ reason: new Error('late') })
  })

  it('never ends before its deadline, not even by the fraction of a millisecond (42)', async () => {
    const patience = new Patience({ timeoutMs: 100 }, late)
    vi.advanceTimersByTime(0.7)
    const gone = vi.fn()
    patience.watch(gone)
    await pass(99)
    expect(gone).not.toHaveBeenCalled()
    await pass(1)
    expect(gone).toHaveBeenCalledOnce()
  })

  it('ends with the reason of its signal, synchronously', () => {
    const controller = new AbortController()
    const patience = new Patience({ timeoutMs: 100, signal: controller.signal }, late)
    const reasons: unknown[] = []
    patience.watch(reason => reasons.push(reason))
    const reason = new Error('enough')
    controller.abort(reason)
    expect(reasons).toEqual([reason])
    expect(patience.gone).toEqual({ reason })
  })

  it('has ended from the start when its signal has aborted before', () => {
    const patience = new Patience({ signal: AbortSignal.abort('before') }, late)
    expect(patience.gone).toEqual({ reason: 'before' })
  })

  it('tells its watcher once: what comes first wins, the deadline or the signal', async () => {
    const controller = new AbortController()
    const patience = new Patience({ timeoutMs: 100, signal: controller.signal }, late)
    const gone = vi.fn()
    patience.watch(gone)
    controller.abort('first')
    await pass(200)
    patience.leave('third')
    expect(gone.mock.calls).toEqual([['first']])
  })

  it.each([null, undefined])('waits for ever with timeoutMs %s', async timeoutMs => {
    const patience = new Patience({ timeoutMs }, late)
    const gone = vi.fn()
    patience.watch(gone)
    await pass(10_000_000)
    expect(gone).not.toHaveBeenCalled()
  })

  it('tells nobody who watches no more, and only the last of those who do', async () => {
    const patience = new Patience({ timeoutMs: 100 }, late)
    const [first, second] = [vi.fn(), vi.fn()]
    patience.watch(first)
    patience.unwatch()
    patience.watch(second)
    await pass(100)
    expect([first.mock.calls.length, second.mock.calls.length]).toEqual([0, 1])
  })

  it('costs neither timer nor listener before the first wait', () => {
    const { signal } = new AbortController()
    const timers = vi.getTimerCount()
    const patience = new Patience({ timeoutMs: 12_345, signal }, late)
    expect(vi.getTimerCount()).toBe(timers)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    patience.end()
  })

  it('takes its listener from the signal and its deadline from the clock when the call is over', async () => {
    const { signal } = new AbortController()
    const patience = new Patience({ timeoutMs: 100, signal }, late)
    const gone = vi.fn()
    patience.watch(gone)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    patience.end()
    patience.end()
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    await pass(200)
    expect(gone).not.toHaveBeenCalled()
    expect(patience.gone).toBeUndefined()
  })

  it('takes its listener from the signal when it has ended by its deadline', async () => {
    const { signal } = new AbortController()
    const patience = new Patience({ timeoutMs: 100, signal }, late)
    patience.watch(() => {})
    await pass(100)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})

describe('work within patience', () => {
  it('gives what the work gives, and fails as it fails', async () => {
    const patience = new Patience({ timeoutMs: 100 }, late)
    expect(await patience.within(Promise.resolve(1))).toBe(1)
    const error = new Error('own')
    expect(await failureOf(patience.within(Promise.reject(error)))).toBe(error)
  })

  it('is left at the deadline: the caller is told, then whoever takes care of the work', async () => {
    const patience = new Patience({ timeoutMs: 100 }, late)
    const abandoned = vi.fn()
    const work = patience.within(new Promise(() => {}), abandoned)
    expect(await stateOf(work)).toBe('pending')
    await Promise.all([pass(100), expect(work).rejects.toThrow('late')])
    expect(abandoned).toHaveBeenCalledOnce()
  })

  it('is abandoned at once by a caller who has left before, and its failure is nobody’s', async () => {
    const patience = new Patience({ signal: AbortSignal.abort('before') }, late)
    const abandoned = vi.fn()
    expect(await failureOf(patience.within(Promise.reject(new Error('own')), abandoned))).toBe('before')
    expect(abandoned).toHaveBeenCalledOnce()
  })

  it('shares one deadline over several phases', async () => {
    const patience = new Patience({ timeoutMs: 100 }, late)
    const first = patience.within(new Promise<void>(resolve => setTimeout(resolve, 60)))
    await pass(60)
    await first
    const abandoned = vi.fn()
    const second = failureOf(patience.within(new Promise(() => {}), abandoned))
    await pass(39)
    expect(abandoned).not.toHaveBeenCalled()
    await pass(1)
    expect(await second).toEqual(new Error('late'))
  })

  it('that is done is not abandoned when patience ends later', async () => {
    const patience = new Patience({ timeoutMs: 100 }, late)
    const abandoned = vi.fn()
    await patience.within(Promise.resolve(1), abandoned)
    await pass(200)
    expect(abandoned).not.toHaveBeenCalled()
  })
})
