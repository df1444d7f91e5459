import { expect, it, vi } from 'vitest'
import { Alarm } from '../../src/base/alarm.ts'
import { monotonicMs } from '../../src/base/clock.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { runScript, sourceUrl } from '../support/run-script.ts'

fakeTime()

it('rings once, at the earliest of the times it was set to', async () => {
  const from = monotonicMs()
  const rings: number[] = []
  const alarm = new Alarm(() => rings.push(monotonicMs() - from))
  alarm.set(from + 100)
  alarm.set(from + 50)
  alarm.set(from + 70)
  await pass(200)
  expect(rings).toEqual([50])
  alarm.set(from + 300)
  await pass(100)
  expect(rings).toEqual([50, 300])
})

it('can be set by its own ring, and for a time that is over: then it rings at once', async () => {
  let rings = 0
  const alarm = new Alarm(() => {
    if (++rings < 3) alarm.set(monotonicMs() - 1000)
  })
  alarm.set(monotonicMs())
  for (let i = 0; i < 5; i++) await pass(1)
  expect(rings).toBe(3)
})

it('has one timer while it is set and none else; stopped between its timer and its ring it does not ring', async () => {
  const before = vi.getTimerCount()
  let rings = 0
  const alarm = new Alarm(() => rings++)
  for (const ms of [30, 20, 40, 10]) alarm.set(monotonicMs() + ms)
  expect(vi.getTimerCount() - before).toBe(1)
  vi.advanceTimersByTime(10)
  alarm.stop()
  await pass(100)
  expect([rings, vi.getTimerCount() - before]).toEqual([0, 0])
})

it('rings where it was set to more than a timer can wait for, and is then set again by its owner', async () => {
  let rings = 0
  const alarm = new Alarm(() => rings++)
  alarm.set(monotonicMs() + 2 ** 40)
  await pass(2 ** 31 - 2)
  expect(rings).toBe(0)
  await pass(2)
  expect(rings).toBe(1)
})

it('keeps no process alive', async () => {
  const run = await runScript(`
    import { Alarm } from '${sourceUrl('base/alarm.js')}'
    import { monotonicMs } from '${sourceUrl('base/clock.js')}'
    new Alarm(() => console.log('rings')).set(monotonicMs() + 10_000)`)
  expect(run).toMatchObject({ code: 0, output: '', errors: '' })
  expect(run.elapsedMs).toBeLessThan(8000)
})
