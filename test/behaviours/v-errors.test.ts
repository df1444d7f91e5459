import { describe, expect, it } from 'vitest'
import { type EventName, eventNames } from '../../src/observe/event-names.ts'
import { eventually } from '../support/eventually.ts'
import type { Failure } from '../support/failure.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { Fault, type Way } from '../support/fault.ts'
import type { GatedDriver } from '../support/gated-driver.ts'
import type { GatedFairy } from '../support/gated-pool.ts'
import { LogBook } from '../support/log-book.ts'
import { countsOf, stateOf } from '../support/observe.ts'
import { failing, firstRecord, type Place, places, soon, type Visit } from '../support/places.ts'
import type { Holding } from '../support/pool-user.ts'
import { type Stage, stages } from './stages.ts'

// Each deadline passes by itself, and no other before it.
fakeTime()
const deadlines = { connect: 1000, reset: 2000, close: 3000, caller: 50 }

interface Trial extends Visit {
  readonly fault: Fault
  readonly book: LogBook
  held: Holding | undefined
}

/** A pool of one place, with all that is before the stage. `told`: its events are in the driver's log. */
async function trialOf(place: Place, { from, spot, after }: Stage, way: Way, told: boolean): Promise<Trial> {
  const [fault, book] = [new Fault(), new LogBook()]
  const visit = await place.visit(driver => ({
    ...fault.options(driver),
    logger: book,
    poolSize: 1,
    maxOverflow: 0,
    prePing: spot === 'ping',
    connectTimeoutMs: deadlines.connect,
    resetTimeoutMs: deadlines.reset,
    closeTimeoutMs: deadlines.close,
  }))
  const { pool, driver, user } = visit
  if (told) driver.listen(pool)
  if (eventNames.includes(spot as EventName)) fault.listen(pool, spot as EventName)
  const held = from === 'new' ? undefined : await user.connect()
  if (from === 'home') await held!.close()
  if (from === 'emptied') await held!.invalidate()
  if (from === 'detached') await held!.detach()
  if (from === 'home' || from === 'emptied') await soon(pool).toEqual([1, 1, 0, 0])
  if (spot === 'finalize callback') firstRecord(pool).finalizeCallback(() => fault.strike(spot))
  driver.take()
  if (after) fault.arm(after, 'throws')
  fault.arm(spot, way)
  return { ...visit, fault, book, held }
}

function perform({ act, deadline }: Stage, { held, user }: Trial, way: Way, signal?: AbortSignal): Promise<unknown> {
  const timeout = way === 'hangs' && deadline === 'caller' && !signal ? { timeoutMs: deadlines.caller } : {}
  const asked = new Error('asked')
  switch (act) {
    case 'connect':
      return user.connect({ ...timeout, ...(signal ? { signal } : {}) })
    case 'close':
      return held!.close()
    case 'invalidate':
      return held!.invalidate(asked)
    case 'soft invalidate':
      return held!.invalidate(asked, { soft: true })
    case 'detach':
      return held!.detach()
    case 'dispose':
      return user.do(pool => pool.dispose())
  }
}

/** What an error says; of a worker's caller that has left the coordinator knows no more than that. */
function textOf({ spot }: Stage, way: Way): RegExp {
  if (way === 'hangs') return / ms|^The caller has left.$/
  return way === 'throws nothing' ? /undefined$/ : new RegExp(`^${spot} fails$`)
}

function expectTold(told: Failure | undefined, stage: Stage, way: Way): void {
  if (stage.caller === 'not told') return expect(told).toBeUndefined()
  expect(told?.message).toMatch(way === 'hangs' ? / ms/ : textOf(stage, way))
  if (way === 'hangs') expect(told?.class).toBe('TimeoutError')
}

const wait = ({ pool }: Trial): Promise<GatedFairy>[] => [1, 2].map(() => pool.connect({ timeoutMs: null }))

/** The place is free: of two who wait just one gets it, with a connection that works. */
async function served([first, second]: readonly Promise<GatedFairy>[]): Promise<GatedFairy> {
  await eventually(() => stateOf(first!)).toBe('fulfilled')
  expect(await stateOf(second!)).toBe('pending')
  const fairy = await first!
  expect((await fairy.query('x')).number).toBe(fairy.number)
  return fairy
}

/** Lets the stage happen while two wait for the place, and looks at what is left; what its caller is told, if anything. */
async function happen(stage: Stage, trial: Trial, way: Way, abort?: Error): Promise<Failure | undefined> {
  const { held, driver, fault } = trial
  const controller = new AbortController()
  const acted = perform(stage, trial, way, abort && controller.signal)
  const outcome = stage.caller === 'told' ? failing(acted) : acted.then(() => undefined)
  await fault.struck(stage.after ? 2 : 1)
  // A detached connection has no place.
  const early = stage.from === 'detached' ? undefined : wait(trial)
  if (abort) controller.abort(abort)
  if (abort) await outcome
  if (way === 'hangs') await pass(deadlines[stage.deadline!])
  const told = await outcome
  if (stage.keeps) expect(await held!.isValid()).toBe(true)
  if (stage.keeps === 'lent') await held!.close()
  const waiting = early ?? wait(trial)
  const fairy = await served(waiting)
  if (stage.keeps === 'detached') {
    expect(driver.open).toBe(2)
    await held!.close()
  }
  expect(driver.open).toBe(1)
  await fairy.close()
  await (await waiting[1]!).close()
  expect(countsOf(trial.pool)).toEqual([1, 1, 0, 0])
  return told
}

/** The events since the trial began; an error that is the expected one, or one asked for, as `(why)`. */
function eventsOf(driver: GatedDriver, why: RegExp): string[] {
  const known = (text: string): boolean => why.test(text) || text === 'asked'
  return driver
    .take()
    .filter(line => line.startsWith('on '))
    .map(line => line.replace(/\((.*)\)/, (all, text: string) => (known(text) ? '(why)' : all)))
}

const waysOf = ({ deadline }: Stage): Way[] => [
  'throws',
  'rejects',
  'throws nothing',
  ...(deadline ? ['hangs' as const] : []),
]

describe.each(places)('an error, $where (278-295)', place => {
  for (const stage of stages) {
    it.each(waysOf(stage))(`of ${stage.name}: the caller is ${stage.caller}, when it %s`, async way => {
      const trial = await trialOf(place, stage, way, true)
      const told = await happen(stage, trial, way)
      expectTold(told, stage, way)
      expect(trial.book.take()).toEqual(stage.log)
      expect(trial.book.errors.map(error => (error as Error).message).slice(stage.after ? 1 : 0)).toEqual(
        stage.log.slice(stage.after ? 1 : 0).map(() => expect.stringMatching(textOf(stage, way))),
      )
      // Who has waited has closed twice since.
      const events = eventsOf(trial.driver, stage.after ? /^rollback fails$/ : textOf(stage, way))
      expect(events.slice(0, stage.events.length)).toEqual(stage.events)
      expect(events.length).toBe(stage.events.length + 5)
    })

    it.each(waysOf(stage))(`of ${stage.name} is the same when nobody listens to events, when it %s`, async way => {
      const trial = await trialOf(place, stage, way, false)
      const told = await happen(stage, trial, way)
      expectTold(told, stage, way)
      expect(trial.book.take()).toEqual(stage.log)
    })
  }

  for (const stage of stages.filter(({ act }) => act === 'connect')) {
    it(`of ${stage.name} which never comes: the caller aborts, and is told its own reason (216, 294)`, async () => {
      const trial = await trialOf(place, stage, 'hangs', true)
      const told = await happen(stage, trial, 'hangs', new RangeError('enough'))
      expect([told?.name, told?.message, trial.book.take()]).toEqual(['RangeError', 'enough', []])
      expect(eventsOf(trial.driver, / ms|^enough$|^The caller has left.$/).slice(0, stage.events.length)).toEqual(
        stage.events,
      )
    })
  }
})
