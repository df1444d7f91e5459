import { beforeAll, expect, it, vi } from 'vitest'
import { traceOf } from '../../src/observe/trace.ts'

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})

const unasked = { traceCheckouts: false, detectDeadlocks: false }

/** As `connect()` asks, with so many callers waiting. */
function connect(waiters: number, tracing = unasked): string | undefined {
  return traceOf(connect, tracing, waiters)?.stack
}

it('where a checkout is made is remembered while callers wait, unasked of one in 100 ms', () => {
  expect(connect(0)).toBeUndefined()
  expect(connect(1)).toContain('trace.test')
  expect(connect(1)).toBeUndefined()
  vi.setSystemTime(Date.now() + 99)
  expect(connect(1)).toBeUndefined()
  vi.setSystemTime(Date.now() + 1)
  expect(connect(1)).toContain('trace.test')
})

it.each([
  ['traceCheckouts', { ...unasked, traceCheckouts: true }],
  ['detectDeadlocks', { ...unasked, detectDeadlocks: true }],
])('%s has it remembered of each', (_, tracing) => {
  for (let i = 0; i < 3; i++) expect(connect(0, tracing)).toContain('trace.test')
})
