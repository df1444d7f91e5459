import { expect, it, vi } from 'vitest'
import { Ticker } from '../../src/base/ticker.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { runScript, sourceUrl } from '../support/run-script.ts'

fakeTime()

it('ticks at every interval, the first time after a whole one, as long as it runs', async () => {
  let ticks = 0
  const ticker = new Ticker(20, () => ticks++)
  ticker.start()
  await pass(19)
  expect(ticks).toBe(0)
  await pass(1)
  expect(ticks).toBe(1)
  for (let i = 0; i < 3; i++) await pass(20)
  expect(ticks).toBe(4)
  ticker.stop()
  await pass(100)
  expect([ticks, ticker.isRunning]).toEqual([4, false])
})

it('has one timer while it runs, however often it is started, and none while it stands', async () => {
  const before = vi.getTimerCount()
  const timers = (): number => vi.getTimerCount() - before
  const ticker = new Ticker(20, () => {})
  expect(timers()).toBe(0)
  ticker.start()
  ticker.start()
  expect(timers()).toBe(1)
  await pass(20)
  expect(timers()).toBe(1)
  ticker.stop()
  ticker.stop()
  expect(timers()).toBe(0)
})

it('can be stopped by its own tick, or between its timer and its tick', async () => {
  let ticks = 0
  const ticker = new Ticker(20, () => {
    ticks++
    ticker.stop()
  })
  ticker.start()
  await pass(20)
  await pass(100)
  expect([ticks, ticker.isRunning]).toEqual([1, false])
  ticker.start()
  // The timer has fired, and the tick stands behind what has arrived at the ports.
  vi.advanceTimersByTime(20)
  ticker.stop()
  ticker.start()
  await pass(19)
  expect(ticks).toBe(1)
  await pass(1)
  expect(ticks).toBe(2)
})

it('keeps no process alive', async () => {
  const run = await runScript(`
    import { Ticker } from '${sourceUrl('base/ticker.js')}'
    new Ticker(20, () => {}).start()
    console.log('end of script')`)
  expect(run).toMatchObject({ code: 0, output: 'end of script\n' })
})

it('ticks in time where nothing else wakes the loop: behind its timer, the tick may hold it', () => {
  const immediates = (): number => process.getActiveResourcesInfo().filter(each => each === 'Immediate').length
  const ticker = new Ticker(20, () => {})
  ticker.start()
  const before = immediates()
  vi.advanceTimersByTime(20)
  expect(immediates() - before).toBe(1)
  ticker.stop()
})
