import { describe, expect, it, vi } from 'vitest'
import { Deadlines, within } from '../../src/base/deadlines.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { failureOf, stateOf } from '../support/observe.ts'

fakeTime()

describe('deadlines', () => {
  it('expire at their time and not before, once', async () => {
    const deadlines = new Deadlines()
    const expired: string[] = []
    deadlines.arm(100, () => expired.push('a'))
    await pass(99)
    expect(expired).toEqual([])
    await pass(1)
    expect(expired).toEqual(['a'])
    await pass(1000)
    expect(expired).toEqual(['a'])
  })

  it('expire in the order of their times, and those of one time in the order of their arrival', async () => {
    const deadlines = new Deadlines()
    const expired: string[] = []
    deadlines.arm(300, () => expired.push('300'))
    deadlines.arm(100, () => expired.push('100 a'))
    deadlines.arm(100, () => expired.push('100 b'))
    await pass(50)
    deadlines.arm(100, () => expired.push('150'))
    deadlines.arm(10, () => expired.push('60'))
    await pass(1000)
    expect(expired).toEqual(['60', '100 a', '100 b', '150', '300'])
  })

  it('stand behind one timer, however many there are', () => {
    const deadlines = new Deadlines()
    const before = vi.getTimerCount()
    const armed = Array.from({ length: 1000 }, (_, i) => deadlines.arm(1000 + (i % 10), () => {}))
    expect(vi.getTimerCount() - before).toBe(1)
    for (const deadline of armed) deadline.cancel()
  })

  it('move the timer forward for an earlier one, and serve both', async () => {
    const deadlines = new Deadlines()
    const expired: string[] = []
    deadlines.arm(1000, () => expired.push('late'))
    const before = vi.getTimerCount()
    deadlines.arm(10, () => expired.push('early'))
    expect(vi.getTimerCount()).toBe(before)
    await pass(10)
    expect(expired).toEqual(['early'])
    await pass(990)
    expect(expired).toEqual(['early', 'late'])
  })

  it('do not expire once cancelled, and cancelling twice or after expiry harms nobody', async () => {
    const deadlines = new Deadlines()
    const expired: string[] = []
    const a = deadlines.arm(100, () => expired.push('a'))
    const b = deadlines.arm(100, () => expired.push('b'))
    a.cancel()
    a.cancel()
    await pass(100)
    expect(expired).toEqual(['b'])
    deadlines.arm(100, () => expired.push('c'))
    a.cancel()
    b.cancel()
    await pass(100)
    expect(expired).toEqual(['b', 'c'])
  })

  it('can cancel one another while they expire', async () => {
    const deadlines = new Deadlines()
    const expired: string[] = []
    deadlines.arm(100, () => {
      expired.push('a')
      b.cancel()
    })
    const b = deadlines.arm(100, () => expired.push('b'))
    await pass(200)
    expect(expired).toEqual(['a'])
  })

  it('can arm new ones while they expire, even of no length', async () => {
    const deadlines = new Deadlines()
    const expired: string[] = []
    deadlines.arm(100, () => {
      expired.push('a')
      deadlines.arm(0, () => expired.push('b'))
      deadlines.arm(100, () => expired.push('c'))
    })
    await pass(100)
    await pass(1)
    expect(expired).toEqual(['a', 'b'])
    await pass(100)
    expect(expired).toEqual(['a', 'b', 'c'])
  })
})

describe('within', () => {
  it('passes on what the work gives, or how it fails', async () => {
    expect(await within(Promise.resolve(1), 100, () => new Error('late'))).toBe(1)
    const error = new Error('own')
    expect(await failureOf(within(Promise.reject(error), 100, () => new Error('late')))).toBe(error)
  })

  it('fails with the late error at the deadline; a success after that goes to lateSuccess, and to nobody else', async () => {
    let resolve = (_value: string): void => {}
    const promise = new Promise<string>(settle => {
      resolve = settle
    })
    const late: string[] = []
    const bounded = within(
      promise,
      100,
      () => new Error('late'),
      value => late.push(value),
    )
    expect(await stateOf(bounded)).toBe('pending')
    await Promise.all([pass(100), expect(bounded).rejects.toThrow('late')])
    expect(late).toEqual([])
    resolve('too late')
    await pass(0)
    expect(late).toEqual(['too late'])
  })

  it('swallows a failure that comes after the deadline', async () => {
    let reject = (_error: Error): void => {}
    const promise = new Promise<string>((_, fail) => {
      reject = fail
    })
    const bounded = within(promise, 100, () => new Error('late'))
    await Promise.all([pass(100), expect(bounded).rejects.toThrow('late')])
    const unhandled = vi.fn()
    process.once('unhandledRejection', unhandled)
    reject(new Error('much too late'))
    expect(await stateOf(promise)).toBe('rejected')
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('leaves no deadline behind when the work has settled', async () => {
    const late = vi.fn(() => new Error('late'))
    await within(Promise.resolve(1), 100, late)
    await failureOf(within(Promise.reject(new Error('own')), 100, late))
    await pass(200)
    expect(late).not.toHaveBeenCalled()
  })
})
